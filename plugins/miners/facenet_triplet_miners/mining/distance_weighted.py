"""Negatives drawn with weights that make their distances even."""

from __future__ import annotations

import torch

from facenet.types import Triplets
from facenet_triplet_miners.mining.label_groups import LabelGroups
from facenet_triplet_miners.mining.row_search import count_below
from facenet_triplet_miners.mining.slots import slots_for

NEAR_OPPOSITE = 1e-6
"""Least 1 - d^2 / 4: the density of opposite points is 0, their weight would be infinite."""


def mine_distance_weighted(
    labels: torch.Tensor,
    similarity: torch.Tensor,
    *,
    dimension: int,
    cutoff: float,
    nonzero_loss_cutoff: float,
    most: int,
) -> Triplets:
    """One negative for each pair of anchor and positive; at most `most` triplets.

    Wu, Manmatha, Smola and Krähenbühl, "Sampling Matters in Deep Embedding Learning", 2017,
    section 4. `dimension` is D; both cutoffs are Euclidean distances.
    """
    size = len(labels)
    groups = LabelGroups.of(labels)
    pairs = groups.positives * groups.usable
    anchor, number, valid = slots_for(pairs, bound=size * (size - 1), most=most)
    log_weights = _log_weights(similarity, dimension, cutoff)
    drawable = similarity > 1 - nonzero_loss_cutoff**2 / 2
    cumulative = _probabilities(log_weights, drawable, groups).cumsum(dim=1)
    # In (0, total]: never a column of weight 0.
    last = torch.full_like(anchor, size - 1)
    share = 1 - torch.rand(anchor.shape, dtype=cumulative.dtype, device=anchor.device)
    negative = count_below(cumulative, anchor, share * cumulative[anchor, last])
    # Where sums of a row were rounded differently, the last column may be missed by one.
    negative = negative.clamp(max=size - 1)
    other_label = groups.first[anchor] != groups.first[negative]
    return Triplets(anchor, groups.positive(anchor, number), negative, valid & other_label)


def _log_weights(similarity: torch.Tensor, dimension: int, cutoff: float) -> torch.Tensor:
    """(B, B) log of 1 / q(d), q being the density of distances on the unit sphere of D dimensions:
    q(d) ~ d^(D - 2) (1 - d^2 / 4)^((D - 3) / 2)."""
    squared = (2 - 2 * similarity).clamp_(min=cutoff**2)
    from_opposite = (1 - squared / 4).clamp_(min=NEAR_OPPOSITE).log_()
    return squared.log_().mul_((2 - dimension) / 2).sub_(from_opposite, alpha=(dimension - 3) / 2)


def _probabilities(
    log_weights: torch.Tensor, drawable: torch.Tensor, groups: LabelGroups
) -> torch.Tensor:
    """(B, B), each row the probabilities of an anchor's negatives; the weights are consumed.

    Where no negative is `drawable`, all are equally likely.
    """
    other = groups.first[:, None] != groups.first
    drawable = drawable & other
    none = ~drawable.any(dim=1, keepdim=True)
    log_weights.masked_fill_(none, 0).masked_fill_(~(drawable | (other & none)), -torch.inf)
    return log_weights.softmax(dim=1)
