"""Similarities of a few pairs of a batch, differentiable, from a matrix without a gradient.

Autograd through the whole matrix would keep and fill a (B, B) gradient that is zero but for
the pairs of the triplets. Here the gradient goes straight from those pairs to the embeddings.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from facenet.types import Triplets

SPARSE_UP_TO = 4
"""Triplets for each image of the batch up to which moving rows is faster than a matrix product."""


def pair_similarity(
    embeddings: torch.Tensor, similarity: torch.Tensor, triplets: Triplets
) -> tuple[torch.Tensor, torch.Tensor]:
    """Similarity of each triplet's anchor to its positive and to its negative, (T,) float each.

    `embeddings` is (B, D) and gets the gradient; `similarity` is embeddings @ embeddings.T.
    """
    positive, negative = _PairSimilarity.apply(embeddings, similarity, *triplets[:3])
    return positive, negative


class _PairSimilarity(torch.autograd.Function):
    """s_ap = e_a . e_p and s_an = e_a . e_n, read from the matrix."""

    @staticmethod
    def forward(
        ctx: Any,
        embeddings: torch.Tensor,
        similarity: torch.Tensor,
        anchor: torch.Tensor,
        positive: torch.Tensor,
        negative: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.save_for_backward(embeddings, anchor, positive, negative)
        return similarity[anchor, positive], similarity[anchor, negative]

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, to_positive: torch.Tensor, to_negative: torch.Tensor
    ) -> tuple[torch.Tensor | None, ...]:
        embeddings, *indices = ctx.saved_tensors
        sparse = len(to_positive) <= SPARSE_UP_TO * len(embeddings)
        gradient = _by_rows if sparse else _by_matrix
        return gradient(embeddings, *indices, to_positive, to_negative), None, None, None, None


def _by_rows(
    embeddings: torch.Tensor,
    anchor: torch.Tensor,
    positive: torch.Tensor,
    negative: torch.Tensor,
    to_positive: torch.Tensor,
    to_negative: torch.Tensor,
) -> torch.Tensor:
    """(B, D) gradient in O(T x D): each triplet adds to three rows."""
    to_positive, to_negative = to_positive[:, None], to_negative[:, None]
    anchors = embeddings[anchor]
    gradient = torch.zeros_like(embeddings)
    gradient.index_add_(0, positive, anchors * to_positive)
    gradient.index_add_(0, negative, anchors.mul_(to_negative))
    pull = torch.mul(embeddings[positive], to_positive, out=anchors)
    pull.addcmul_(embeddings[negative], to_negative)
    return gradient.index_add_(0, anchor, pull)


def _by_matrix(
    embeddings: torch.Tensor,
    anchor: torch.Tensor,
    positive: torch.Tensor,
    negative: torch.Tensor,
    to_positive: torch.Tensor,
    to_negative: torch.Tensor,
) -> torch.Tensor:
    """(B, D) gradient in O(T + B x B x D): the pairs' gradients meet in one (B, B) matrix."""
    size = len(embeddings)
    matrix = embeddings.new_zeros(size * size)
    matrix.index_add_(0, anchor * size + positive, to_positive)
    matrix.index_add_(0, anchor * size + negative, to_negative)
    matrix = matrix.view(size, size)
    return (matrix + matrix.T) @ embeddings
