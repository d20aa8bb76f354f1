"""Miner plugins: invariants on any batch, and agreement with a search by brute force."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facenet.plugins import Registry
from facenet.types import Miner


@pytest.fixture(scope="module")
def batch_hard() -> Miner:
    mine = Registry().load("miner", "batch_hard").make_from({}, progress=lambda: 0.0)

    def of(embeddings, labels):
        unit = torch.nn.functional.normalize(embeddings, dim=1)
        return mine(unit, labels, unit @ unit.T)

    return of


@st.composite
def batches(draw):
    labels = torch.tensor(draw(st.lists(st.integers(0, 5), min_size=1, max_size=24)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    return torch.randn(len(labels), 8, generator=generator), labels


@given(batches())
@settings(deadline=None)
def test_triplets_are_valid_and_complete(batch_hard: Miner, batch) -> None:
    embeddings, labels = batch
    anchor, positive, negative = batch_hard(embeddings, labels)[:3]
    assert anchor.dtype == torch.int64
    assert torch.equal(labels[anchor], labels[positive])
    assert not (anchor == positive).any()
    assert not (labels[anchor] == labels[negative]).any()
    usable = [
        index
        for index, label in enumerate(labels.tolist())
        if labels.tolist().count(label) > 1 and len(set(labels.tolist())) > 1
    ]
    assert anchor.tolist() == usable


@given(batches())
@settings(deadline=None)
def test_batch_hard_equals_brute_force(batch_hard: Miner, batch) -> None:
    embeddings, labels = batch
    unit = torch.nn.functional.normalize(embeddings, dim=1).double()
    for a, p, n in zip(
        *(index.tolist() for index in batch_hard(embeddings, labels)[:3]), strict=True
    ):
        others = [i for i in range(len(labels)) if i != a]
        hardest_positive = min(unit[a] @ unit[i] for i in others if labels[i] == labels[a])
        hardest_negative = max(unit[a] @ unit[i] for i in others if labels[i] != labels[a])
        assert torch.isclose(unit[a] @ unit[p], hardest_positive, atol=1e-6)
        assert torch.isclose(unit[a] @ unit[n], hardest_negative, atol=1e-6)


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [0]])
def test_a_batch_without_triplets_gives_none(batch_hard: Miner, labels: list[int]) -> None:
    triplets = batch_hard(torch.randn(len(labels), 4), torch.tensor(labels))
    assert [len(index) for index in triplets[:3]] == [0, 0, 0]
