"""Triplet loss on the one similarity matrix of a batch that the miner reads too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from facenet.training.pair_gradient import pair_gradient
from facenet.types import Triplets

Margin = float | Literal["soft"]
Distance = Literal["cosine", "euclidean"]

SHORTEST_DISTANCE = 1e-3
"""Below it a Euclidean distance has no slope: that of the root is infinite at 0, and rounding of
a float32 similarity alone is a distance of up to 5e-4."""


@dataclass(frozen=True, slots=True, eq=False)
class TripletLoss:
    """The loss of a batch, and what tells how training goes, computed when it is asked for.

    `loss` is a scalar and alone carries a gradient. `losses` is (T,), `distances` is (2, T), to
    the positive and to the negative, and `weights` is (T,), 1 / valid triplets or 0.
    """

    loss: torch.Tensor
    losses: torch.Tensor
    distances: torch.Tensor
    weights: torch.Tensor

    @property
    def active(self) -> torch.Tensor:
        """Scalar: the share of valid triplets whose loss is above 0."""
        return (self.losses > 0).to(self.weights.dtype) @ self.weights

    @property
    def positive_distance(self) -> torch.Tensor:
        """Scalar: the mean distance from anchor to positive over valid triplets."""
        return self.distances[0] @ self.weights

    @property
    def negative_distance(self) -> torch.Tensor:
        """Scalar: the mean distance from anchor to negative over valid triplets."""
        return self.distances[1] @ self.weights


def triplet_loss(
    embeddings: torch.Tensor,
    similarity: torch.Tensor,
    triplets: Triplets,
    *,
    margin: Margin,
    distance: Distance,
) -> TripletLoss:
    """Mean of max(0, d(a, p) - d(a, n) + margin) over the valid triplets.

    `embeddings` is (B, D) float of unit length, `similarity` is embeddings @ embeddings.T, (B, B),
    without a gradient. d is 1 - s (`cosine`) or sqrt(2 - 2 s) (`euclidean`), in 0..2, and `margin`
    is in its units: Schroff, Kalenichenko and Philbin, "FaceNet", 2015, equation 2, whose squared
    Euclidean distance is twice the cosine one. With margin `soft` it is the mean of
    log(1 + exp(d(a, p) - d(a, n))): Hermans, Beyer and Leibe, "In Defense of the Triplet Loss for
    Person Re-Identification", 2017, section 2.

    Without a valid triplet all results are 0, and so is the gradient.
    """
    return TripletLoss(*_TripletLoss.apply(embeddings, similarity, triplets, margin, distance))


class _TripletLoss(torch.autograd.Function):
    """The loss and its slope at each pair in one pass.

    Autograd through the matrix would keep and fill a (B, B) gradient that is zero but for the
    pairs of the triplets; here the gradient goes straight from those pairs to the embeddings.
    """

    @staticmethod
    def forward(
        ctx: Any,
        embeddings: torch.Tensor,
        similarity: torch.Tensor,
        triplets: Triplets,
        margin: Margin,
        distance: Distance,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        anchor, *others, valid = triplets
        pairs = torch.stack(others).add_(anchor * len(embeddings))
        similar = similarity.take(pairs)
        distances = 1 - similar if distance == "cosine" else _euclidean(similar)
        losses, slopes = _losses(distances[0] - distances[1], margin)
        weights = _weights(valid, losses)
        if ctx.needs_input_grad[0]:
            slopes = _slopes(slopes * weights, distances, distance)
            ctx.save_for_backward(embeddings, pairs.flatten(), slopes.flatten())
        ctx.mark_non_differentiable(losses, distances, weights)
        ctx.set_materialize_grads(False)
        return losses @ weights, losses, distances, weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: torch.Tensor | None, *_: Any) -> tuple[torch.Tensor | None, ...]:
        if scale is None:
            return None, None, None, None, None
        embeddings, entries, slopes = ctx.saved_tensors
        return pair_gradient(embeddings, entries, slopes * scale), None, None, None, None


def _euclidean(similarity: torch.Tensor) -> torch.Tensor:
    return (2 - 2 * similarity).clamp_(min=SHORTEST_DISTANCE**2).sqrt_()


def _losses(violation: torch.Tensor, margin: Margin) -> tuple[torch.Tensor, torch.Tensor]:
    """(T,) losses of d(a, p) - d(a, n), and their slopes."""
    if margin == "soft":
        return softplus(violation), violation.sigmoid()
    losses = (violation + margin).relu_()
    return losses, losses > 0


def _slopes(slopes: torch.Tensor, distances: torch.Tensor, distance: Distance) -> torch.Tensor:
    """(2, T) slopes at each pair's similarity, from the (T,) slopes at the violation."""
    slopes = torch.stack((-slopes, slopes))
    if distance == "cosine":
        return slopes
    return (slopes / distances).masked_fill_(distances <= SHORTEST_DISTANCE, 0)


def _weights(valid: torch.Tensor | None, losses: torch.Tensor) -> torch.Tensor:
    """(T,) weights that make a sum the mean over valid triplets."""
    if valid is None:
        return torch.full_like(losses, 1 / max(1, len(losses)))
    weights = valid.to(losses.dtype)
    return weights / weights.sum().clamp_(min=1)
