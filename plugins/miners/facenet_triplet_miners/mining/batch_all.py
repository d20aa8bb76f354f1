"""Every triplet of a batch."""

from __future__ import annotations

import torch

from facenet.types import Triplets
from facenet_triplet_miners.mining.label_groups import LabelGroups
from facenet_triplet_miners.mining.slots import slots_for


def mine_every(
    labels: torch.Tensor, similarity: torch.Tensor, *, most: int, margin: float | None
) -> Triplets:
    """Every triplet, or `most` of them, in O(B + `most`) memory.

    With a `margin`, those whose negative is farther than the positive by at least that much cosine
    distance are not valid.
    """
    size = len(labels)
    groups = LabelGroups.of(labels)
    # With labels of equal size c there are B (c - 1) (B - c); the most at c = (B + 1) / 2.
    bound = size * (size - 1) ** 2 // 4
    counts = groups.positives * groups.negatives
    anchor, number, valid = slots_for(counts, bound=bound, most=most)
    negatives = groups.negatives[anchor].clamp(min=1)
    positive = groups.positive(anchor, number // negatives)
    negative = groups.negative(anchor, number % negatives)
    if margin is not None:
        violation = similarity[anchor, negative] - similarity[anchor, positive]
        valid = valid & ~(violation + margin <= 0)
    return Triplets(anchor, positive, negative, valid)
