"""Triplet loss."""

from __future__ import annotations

import torch

from facenet.types import Triplets


def triplet_margin_loss(
    embeddings: torch.Tensor, triplets: Triplets, margin: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean of max(0, margin + s(a, n) - s(a, p)) over T triplets, and the share that is active.

    `embeddings` is (B, D) float of unit length, s is cosine similarity, so that the margin is
    one of cosine distance (Schroff, Kalenichenko and Philbin 2015, equation 2, halved).
    Both results are scalars; without triplets the loss is 0 and still has a gradient.
    """
    if len(triplets.anchor) == 0:
        return embeddings.sum() * 0, embeddings.new_zeros(())
    anchor = embeddings[triplets.anchor]
    to_positive = (anchor * embeddings[triplets.positive]).sum(dim=1)
    to_negative = (anchor * embeddings[triplets.negative]).sum(dim=1)
    losses = (margin + to_negative - to_positive).clamp(min=0)
    return losses.mean(), (losses > 0).float().mean()
