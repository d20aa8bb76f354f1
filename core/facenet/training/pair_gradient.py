"""From slopes at a few entries of a similarity matrix to the gradient of the embeddings."""

from __future__ import annotations

import torch

ROWS_UP_TO = 8
"""Entries for each image of the batch up to which moving rows beats a matrix product."""


def pair_gradient(
    embeddings: torch.Tensor, entries: torch.Tensor, slopes: torch.Tensor
) -> torch.Tensor:
    """(B, D) gradient of the sum of slope x similarity over entries of embeddings @ embeddings.T.

    `embeddings` is (B, D); `entries` is (E,) int64, row x B + column, repeated or not; `slopes`
    is (E,) float.
    """
    few = len(entries) <= ROWS_UP_TO * len(embeddings)
    return (_by_rows if few else _by_matrix)(embeddings, entries, slopes)


def _by_rows(embeddings: torch.Tensor, entries: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """O(E x D): each entry adds its row to its column, and its column to its row."""
    rows, columns = entries // len(embeddings), entries % len(embeddings)
    gradient = torch.zeros_like(embeddings)
    for here, there in ((rows, columns), (columns, rows)):
        # index_select: on a CPU four times as fast as embeddings[there].
        gradient.index_add_(0, here, embeddings.index_select(0, there).mul_(slopes[:, None]))
    return gradient


def _by_matrix(
    embeddings: torch.Tensor, entries: torch.Tensor, slopes: torch.Tensor
) -> torch.Tensor:
    """O(E + B x B x D): the slopes meet in a (B, B) matrix."""
    size = len(embeddings)
    matrix = slopes.new_zeros(size * size).index_add_(0, entries, slopes).view(size, size)
    return (matrix + matrix.T) @ embeddings
