"""One matrix in which an anchor's positives, itself and its negatives stand apart."""

from __future__ import annotations

import torch

from facenet_triplet_miners.mining.label_groups import LabelGroups

APART = 3.0
"""Added to the similarity of negatives, so that all are above every positive. The smallest number
that leaves room for the anchor itself costs the least precision: 2.4e-7, as much as a float32
matrix product itself."""
BETWEEN = 1.5
"""Above every positive, below every negative: where an anchor's similarity to itself stands."""


def part(similarity: torch.Tensor, groups: LabelGroups, start: int = 0) -> torch.Tensor:
    """Rows of a similarity matrix, those of the anchors from `start` on, parted; a new (R, B).

    Ascending, a row holds the positives, hardest first, the anchor, and the negatives, hardest
    last.
    """
    number = groups.first.to(similarity.dtype)
    # Floats throughout: on a CPU, masks of bool take three times as long.
    other = (number[start : start + len(similarity), None] - number).clamp_(-1, 1)
    parted = torch.addcmul(similarity, other, other, value=APART)
    parted.diagonal(start).fill_(BETWEEN)
    return parted
