"""Weights: what space they span, and putting them into a network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch

from facenet.errors import ModelError
from facenet.models.card import Preprocessing
from facenet.models.network import EmbeddingNetwork


def embedding_space(weights: Mapping[str, torch.Tensor], preprocessing: Preprocessing) -> str:
    """The id of an embedding space: 16 hexadecimal digits of a SHA-256.

    Two models have the same id exactly when names, types, shapes and values of all weights and
    the preprocessing agree, whatever file they came from.
    """
    digest = hashlib.sha256(preprocessing.model_dump_json().encode())
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def load_weights(
    network: EmbeddingNetwork, weights: Mapping[str, torch.Tensor], path: Path, backbone: str
) -> None:
    """Fill a network; raises `ModelError` when the weights are those of another one."""
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise ModelError(f"{path}: the weights do not fit {backbone}: {reason}") from error
