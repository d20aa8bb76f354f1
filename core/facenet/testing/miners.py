"""What every triplet miner must do, as tests: subclass `MinerSuite` and override `miner`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import pytest

from facenet.testing.suite import Suite, to_override
from facenet.types import Miner, Triplets

if TYPE_CHECKING:
    import torch

LABELS = {
    "empty": [],
    "one image": [7],
    "one person": [3] * 5,
    "no one twice": [0, 1, 2, 3, 4],
    "one person and one image": [1, 1, 1, 1, 2],
    "pairs": [0, 0, 1, 1, 2, 2],
    "not sorted": [2, 0, 1, 0, 2, 1, 0],
    "any numbers": [-1, 2**40, -1, 2**40, 0],
    "many of one": [0] * 15 + [1, 1, 2],
}
"""Labels of batches that have been got wrong."""
RANDOM = 40
"""How many random batches are shown besides."""
_NUMBERS = (0, -1, 1, 2, 2**40, 3)


class Batch(NamedTuple):
    """What a miner is given: see `Miner.__call__`."""

    name: str
    embeddings: torch.Tensor
    labels: torch.Tensor
    similarity: torch.Tensor

    def mined(self, miner: Miner) -> Triplets:
        return miner(self.embeddings, self.labels, self.similarity)


class MinerSuite(Suite):
    """Override `miner`."""

    @pytest.fixture
    def miner(self, request: pytest.FixtureRequest) -> Miner:
        """The miner; the same is shown many batches."""
        to_override(request, "the miner, as from plugin.make_from({}, progress=lambda: 0.5)")

    @pytest.fixture
    def batches(self) -> Sequence[Batch]:
        """Batches of all sizes; in some, embeddings are twice the same."""
        return many_batches()

    def test_answers_are_indices_of_the_batch(self, miner: Miner, batches: Sequence[Batch]) -> None:
        """If this fails: the columns differ in length or type, or point beyond the batch."""
        import torch

        for batch in batches:
            triplets = batch.mined(miner)
            assert isinstance(triplets, Triplets), batch.name
            for index in triplets[:3]:
                assert index.dtype == torch.int64, batch.name
                assert index.shape == triplets.anchor.shape == (len(index),), batch.name
                assert ((index >= 0) & (index < len(batch.labels))).all(), batch.name
            if triplets.valid is not None:
                assert triplets.valid.dtype == torch.bool, batch.name
                assert triplets.valid.shape == triplets.anchor.shape, batch.name

    def test_positives_are_of_the_anchors_person(
        self, miner: Miner, batches: Sequence[Batch]
    ) -> None:
        """If this fails: a positive has another label, and training pulls two people together."""
        for batch in batches:
            anchor, positive, _, _ = batch.mined(miner).compact()
            assert (batch.labels[anchor] == batch.labels[positive]).all(), batch.name

    def test_no_anchor_is_its_own_positive(self, miner: Miner, batches: Sequence[Batch]) -> None:
        """If this fails: an image is paired with itself, of which nothing is learnt."""
        for batch in batches:
            anchor, positive, _, _ = batch.mined(miner).compact()
            assert (anchor != positive).all(), batch.name

    def test_negatives_are_of_other_people(self, miner: Miner, batches: Sequence[Batch]) -> None:
        """If this fails: a negative has the anchor's label, and training pushes a person apart."""
        for batch in batches:
            anchor, _, negative, _ = batch.mined(miner).compact()
            assert (batch.labels[anchor] != batch.labels[negative]).all(), batch.name

    def test_some_batch_gives_a_triplet(self, miner: Miner, batches: Sequence[Batch]) -> None:
        """If this fails: the miner finds nothing in any batch, and nothing is trained."""
        assert any(len(batch.mined(miner).compact().anchor) for batch in batches)

    def test_inputs_stay_as_they_were(self, miner: Miner, batches: Sequence[Batch]) -> None:
        """If this fails: the loss, which uses the same similarities, computes with others."""
        import torch

        for batch in batches:
            before = [tensor.clone() for tensor in batch[1:]]
            batch.mined(miner)
            assert all(map(torch.equal, before, batch[1:])), batch.name

    def test_answers_carry_no_gradient(self, miner: Miner, batches: Sequence[Batch]) -> None:
        """If this fails: the loss is differentiated through the choice of triplets."""
        for batch in batches:
            columns = [column for column in batch.mined(miner) if column is not None]
            assert not any(column.requires_grad for column in columns), batch.name


@cache
def many_batches() -> Sequence[Batch]:
    """The same each time, and not to be changed."""
    import torch

    generator = torch.Generator().manual_seed(0)
    batches = [_batch(name, labels, generator) for name, labels in LABELS.items()]
    for number in range(RANDOM):
        people = int(torch.randint(1, 7, (), generator=generator))
        images = int(torch.randint(1, 21, (), generator=generator))
        drawn = torch.randint(people, (images,), generator=generator).tolist()
        labels = [_NUMBERS[person] for person in drawn]
        batches.append(_batch(f"random {number}", labels, generator))
    return batches


def _batch(name: str, labels: list[int], generator: torch.Generator) -> Batch:
    import torch

    width = int(torch.randint(2, 9, (), generator=generator))
    embeddings = torch.randn(len(labels), width, generator=generator)
    if width % 2:
        half = len(labels) // 2
        embeddings[len(labels) - half :] = embeddings[:half].clone()
    embeddings = torch.nn.functional.normalize(embeddings, dim=1)
    together = torch.tensor(labels, dtype=torch.int64)
    return Batch(name, embeddings, together, embeddings @ embeddings.T)
