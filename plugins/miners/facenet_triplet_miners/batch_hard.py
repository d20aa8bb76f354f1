"""Miner plugin `batch_hard`: each anchor's hardest positive and hardest negative."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facenet.hookspecs import hookimpl
from facenet.types import Miner, PluginInfo, Triplets

if TYPE_CHECKING:
    import torch


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="Hardest positive and negative of each anchor in the batch (Hermans et al. 2017)",
        licence="MIT",
        install="pip install 'facenet-kit[train]'",
    )


@hookimpl
def make_miner() -> Miner:
    return mine_batch_hard


def mine_batch_hard(
    embeddings: torch.Tensor, labels: torch.Tensor, similarity: torch.Tensor
) -> Triplets:
    """One triplet for each anchor that has a positive and a negative, by cosine similarity.

    `embeddings` is (B, D) float, `labels` (B,) int64. Hermans, Beyer and Leibe, "In Defense of the
    Triplet Loss for Person Re-Identification", 2017, equation 5.
    """
    import torch

    same = labels[:, None] == labels[None, :]
    positive_pair = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive = similarity.masked_fill(~positive_pair, torch.inf).argmin(dim=1)
    negative = similarity.masked_fill(same, -torch.inf).argmax(dim=1)
    anchor = torch.nonzero(positive_pair.any(dim=1) & ~same.all(dim=1)).squeeze(1)
    return Triplets(anchor, positive[anchor], negative[anchor])
