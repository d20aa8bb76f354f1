"""What one look at a run shows."""

from __future__ import annotations

from typing import NamedTuple


class StepFigures(NamedTuple):
    """The figures of one batch, that of all processes together.

    `active` is the share of triplets with a loss, the distances are means over the triplets, and
    `spread` is the variance of the embeddings, summed over coordinates: near 1 when they lie all
    around the unit sphere, 0 when they are one point.
    """

    loss: float
    active: float
    positive_distance: float
    negative_distance: float
    spread: float

    def __str__(self) -> str:
        return (
            f"loss {self.loss:.3f}, {self.active:.0%} of triplets active, mean distance "
            f"{self.positive_distance:.3f} to positives and {self.negative_distance:.3f} to "
            f"negatives, embedding variance {self.spread:.3f}"
        )
