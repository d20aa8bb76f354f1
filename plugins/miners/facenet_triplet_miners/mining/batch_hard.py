"""The hardest positive and the hardest negative of each anchor, a block of rows at a time."""

from __future__ import annotations

import torch

from facenet.types import Triplets
from facenet_triplet_miners.mining.label_groups import LabelGroups
from facenet_triplet_miners.mining.parting import part

BLOCK_ELEMENTS = 2**18
"""Elements of the matrix that a CPU works on at a time: 1 MiB, which its caches hold."""


def mine_batch_hard(
    embeddings: torch.Tensor, labels: torch.Tensor, similarity: torch.Tensor
) -> Triplets:
    """B triplets, one for each anchor; valid where it has a positive and a negative.

    Hermans, Beyer and Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017,
    equation 5.
    """
    groups = LabelGroups.of(labels)
    rows = _rows_at_a_time(similarity)
    positive, negative = torch.empty_like(groups.order), torch.empty_like(groups.order)
    for start in range(0, len(labels), rows):
        block = slice(start, start + rows)
        parted = part(similarity[block], groups, start)
        torch.argmin(parted, dim=1, out=positive[block])
        torch.argmax(parted, dim=1, out=negative[block])
    anchor = torch.arange(len(labels), device=labels.device)
    return Triplets(anchor, positive, negative, groups.usable)


def _rows_at_a_time(similarity: torch.Tensor) -> int:
    size = max(1, len(similarity))
    return max(1, BLOCK_ELEMENTS // size) if similarity.device.type == "cpu" else size
