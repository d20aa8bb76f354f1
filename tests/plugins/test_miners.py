"""Every miner plugin keeps the miners' promises on any batch, on a CPU and on a GPU's terms."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import facenet_triplet_miners.mining.slots
from facenet.errors import ConfigError
from facenet.plugins import Registry
from facenet.testing import MinerSuite
from facenet.types import Miner, Triplets

OURS: list[tuple[str, dict[str, Any]]] = [
    ("batch_hard", {}),
    ("batch_semi_hard", {}),
    ("batch_semi_hard", {"max_triplets": 7}),
    ("batch_all", {}),
    ("batch_all", {"max_triplets": 7}),
    ("batch_all", {"margin": 0.1}),
    ("distance_weighted", {}),
    ("distance_weighted", {"cutoff": 0.1, "nonzero_loss_cutoff": 2.0}),
    ("curriculum", {"start": 0.2, "end": 0.6}),
]
PML: list[tuple[str, dict[str, Any]]] = [
    ("pml", {"miner": "TripletMarginMiner", "margin": 0.2}),
    ("pml", {"miner": "MultiSimilarityMiner", "epsilon": 0.1}),
]
FIND_ALL_ANCHORS = ("batch_hard", "batch_semi_hard", "batch_all", "distance_weighted", "curriculum")


load = functools.cache(Registry().load)


def make(name: str, options: dict[str, Any] | None = None, progress: float = 0.4) -> Miner:
    miner: Miner = load("miner", name).make_from(options or {}, progress=lambda: progress)
    return miner


def named(case: Any) -> str:
    return "-".join(map(str, case)) if isinstance(case, tuple) else str(case)


@st.composite
def batches(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit embeddings, some of them twice the same, and labels of any size and number."""
    values = st.sampled_from([-1, 0, 1, 2, 3, 2**40])
    labels = torch.tensor(draw(st.lists(values, max_size=20)), dtype=torch.int64)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    embeddings = torch.randn(len(labels), draw(st.integers(1, 8)), generator=generator)
    if draw(st.booleans()):
        embeddings[len(labels) // 2 :] = embeddings[: len(labels) - len(labels) // 2].clone()
    return torch.nn.functional.normalize(embeddings, dim=1), labels


def usable(labels: torch.Tensor) -> set[int]:
    """The images that have a positive and a negative."""
    same = labels[:, None] == labels
    return set(torch.nonzero((same.sum(1) > 1) & ~same.all(1)).flatten().tolist())


@pytest.fixture(params=["cpu", "gpu"])
def terms(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """On a GPU's terms a miner may not ask how many triplets there are: it answers in a length
    that the size of the batch alone gives. A CPU computes the same."""
    if request.param == "gpu":
        monkeypatch.setattr(facenet_triplet_miners.mining.slots, "may_ask", lambda device: False)
    return str(request.param)


any_batch = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class TestOurs(MinerSuite):
    @pytest.fixture(params=OURS, ids=named)
    def miner(self, request: pytest.FixtureRequest, terms: str) -> Miner:
        return make(*request.param)


class TestOfMetricLearning(MinerSuite):
    @pytest.fixture(params=PML, ids=named)
    def miner(self, request: pytest.FixtureRequest) -> Miner:
        pytest.importorskip("pytorch_metric_learning", reason="needs facenet-kit[pml]")
        return make(*request.param)


@pytest.mark.parametrize("name", FIND_ALL_ANCHORS)
@given(batch=batches())
@any_batch
def test_no_anchor_that_has_a_triplet_is_missed(terms: str, name: str, batch: Any) -> None:
    embeddings, labels = batch
    found = make(name)(embeddings, labels, embeddings @ embeddings.T).compact()
    assert set(found.anchor.tolist()) == usable(labels)


@pytest.mark.parametrize("name", ["batch_semi_hard", "batch_all", "distance_weighted"])
@given(batch=batches(), most=st.integers(1, 30))
@any_batch
def test_max_triplets_bounds_and_is_used(terms: str, name: str, batch: Any, most: int) -> None:
    embeddings, labels = batch
    arguments = (embeddings, labels, embeddings @ embeddings.T)
    bounded = make(name, {"max_triplets": most})(*arguments)
    everything = make(name)(*arguments).compact()
    assert len(bounded.anchor) <= most
    chosen = bounded.compact()
    assert len(chosen.anchor) == min(most, len(everything.anchor))
    columns = zip(
        *(index.tolist() for index in chosen[: 2 if name != "batch_all" else 3]), strict=True
    )
    assert len(set(columns)) == len(chosen.anchor)


@pytest.mark.parametrize("case", OURS, ids=named)
def test_no_miner_waits_for_the_device(case: tuple[str, dict[str, Any]]) -> None:
    """Tensors on `meta` have shapes and no values: to look at one, or at a shape that depends on
    one, is an error."""
    labels = torch.zeros(16, dtype=torch.int64, device="meta")
    embeddings = torch.zeros(16, 8, device="meta")
    triplets = make(*case)(embeddings, labels, embeddings @ embeddings.T)
    assert triplets.valid is not None
    assert {index.device.type for index in triplets if index is not None} == {"meta"}
    assert len(triplets.anchor) <= case[1].get("max_triplets", 16 * 15**2 // 4)


@pytest.mark.parametrize("case", OURS, ids=named)
def test_embeddings_that_are_not_numbers_give_a_loss_that_is_none(
    terms: str, case: tuple[str, dict[str, Any]]
) -> None:
    from facenet.training import triplet_loss

    embeddings = torch.full((8, 4), math.nan)
    labels = torch.arange(8) // 2
    similarity = embeddings @ embeddings.T
    triplets = make(*case)(embeddings, labels, similarity)
    result = triplet_loss(embeddings, similarity, triplets, margin=0.2, distance="cosine")
    assert result.loss.isnan()


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("batch_all", {"max_triplets": 0}, "max_triplets: must be greater than 0, got 0"),
        (
            "curriculum",
            {"start": 0.5, "end": 0.2},
            r"end: is 0\.2: must be at least start \(0\.5\)",
        ),
        ("curriculum", {"end": 2}, "end: must be at most 1, got 2"),
        (
            "distance_weighted",
            {"cutoff": 1.5},
            r"nonzero_loss_cutoff: is 1\.4: must be above cutoff \(1\.5\)",
        ),
        ("pml", {}, "miner: this key is required"),
        ("pml", {"miner": "BatchHardMine"}, "no 'BatchHardMine', did you mean 'BatchHardMiner'"),
        ("pml", {"miner": "TripletMarginMiner", "gamma": 1}, "does not take {gamma: 1}"),
    ],
)
def test_a_wrong_option_is_named(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(name, options)


def test_progress_is_asked_for_at_each_batch() -> None:
    progress = iter([0.0, 1.0])
    mine = load("miner", "curriculum").make_from({}, progress=lambda: next(progress))
    embeddings = torch.nn.functional.normalize(torch.randn(12, 8), dim=1)
    labels = torch.arange(12) // 3

    def count() -> int:
        valid: Callable[[], Triplets] = mine(embeddings, labels, embeddings @ embeddings.T).compact
        return len(valid().anchor)

    assert [count(), count()] == [24, 12]
