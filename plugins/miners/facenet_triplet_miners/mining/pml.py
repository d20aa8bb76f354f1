"""pytorch-metric-learning's miners behind the contract of ours."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_metric_learning import miners
from pytorch_metric_learning.utils.loss_and_miner_utils import convert_to_triplets

from facenet.types import Miner, Triplets

NOT_MINERS = {"BaseMiner", "EmbeddingsAlreadyPackagedAsTriplets"}
"""The first mines nothing; the second takes every three rows for a triplet, whatever the labels."""


def miner_classes() -> dict[str, Any]:
    """The classes that can be chosen, by name."""
    return {
        name: kind
        for name, kind in vars(miners).items()
        if isinstance(kind, type) and issubclass(kind, miners.BaseMiner) and name not in NOT_MINERS
    }


def mine_with(miner: Any) -> Miner:
    """Ask `miner` for pairs or triplets; pairs become triplets as the library does it.

    It computes distances of its own and waits for the device; `similarity` is not used.
    """

    def mine(embeddings: torch.Tensor, labels: torch.Tensor, similarity: torch.Tensor) -> Triplets:
        return Triplets(*convert_to_triplets(miner(embeddings, labels), labels))

    return mine
