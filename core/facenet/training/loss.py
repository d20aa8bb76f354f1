"""Triplet loss on the one similarity matrix of a batch that the miner reads too."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch.nn.functional import softplus

from facenet.training.pair_similarity import pair_similarity
from facenet.types import Triplets

Margin = float | Literal["soft"]
Distance = Literal["cosine", "euclidean"]

SHORTEST_DISTANCE = 1e-3
"""Below it a Euclidean distance has no slope: that of the root is infinite at 0, and rounding of
a float32 similarity alone is a distance of up to 5e-4."""


class TripletLoss(NamedTuple):
    """The loss of a batch, and what tells how training goes; all are scalars.

    Only `loss` carries a gradient. `active` is the share of triplets whose loss is above 0;
    `positive_distance` and `negative_distance` are the triplets' mean distances.
    """

    loss: torch.Tensor
    active: torch.Tensor
    positive_distance: torch.Tensor
    negative_distance: torch.Tensor


def triplet_loss(
    embeddings: torch.Tensor,
    similarity: torch.Tensor,
    triplets: Triplets,
    *,
    margin: Margin,
    distance: Distance,
) -> TripletLoss:
    """Mean of max(0, d(a, p) - d(a, n) + margin) over the valid triplets.

    `embeddings` is (B, D) float of unit length, `similarity` is embeddings @ embeddings.T,
    (B, B), without a gradient.
    d is 1 - s (`cosine`) or sqrt(2 - 2 s) (`euclidean`), in 0..2, and `margin` is in its units:
    Schroff, Kalenichenko and Philbin, "FaceNet", 2015, equation 2, whose squared Euclidean
    distance is twice the cosine one. With margin `soft` it is the mean of
    log(1 + exp(d(a, p) - d(a, n))): Hermans, Beyer and Leibe, "In Defense of the Triplet Loss for
    Person Re-Identification", 2017, section 2.

    Without a valid triplet all four results are 0, and so is the gradient.
    """
    to_positive, to_negative = (
        _distance(similar, distance)
        for similar in pair_similarity(embeddings, similarity, triplets)
    )
    violation = to_positive - to_negative
    losses = softplus(violation) if margin == "soft" else (violation + margin).relu()
    weights = _weights(triplets, losses)
    with torch.no_grad():
        rows = torch.stack(((losses > 0).to(losses.dtype), to_positive, to_negative))
        active, positive_distance, negative_distance = (rows @ weights).unbind()
    return TripletLoss(losses @ weights, active, positive_distance, negative_distance)


def _distance(similarity: torch.Tensor, distance: Distance) -> torch.Tensor:
    if distance == "cosine":
        return 1 - similarity
    return (2 - 2 * similarity).clamp(min=SHORTEST_DISTANCE**2).sqrt()


def _weights(triplets: Triplets, losses: torch.Tensor) -> torch.Tensor:
    """(T,) weights that make a sum the mean over valid triplets."""
    if triplets.valid is None:
        return losses.new_full(losses.shape, 1 / max(1, len(losses)))
    weights = triplets.valid.to(losses.dtype)
    return weights / weights.sum().clamp(min=1)
