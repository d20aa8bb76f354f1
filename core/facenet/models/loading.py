"""Loading a model in whichever form it is kept."""

from __future__ import annotations

from pathlib import Path

import torch

from facenet.errors import ModelError
from facenet.models.bundle import load_bundle
from facenet.models.checkpoint import load_checkpoint
from facenet.models.model import EmbeddingModel


def load_model(path: str | Path, device: torch.device | str = "cpu") -> EmbeddingModel:
    """Load a bundle (a folder) or a training checkpoint (a .ckpt file).

    Raises `ModelError` when it is neither, damaged, or made by another version of facenet.
    """
    path = Path(path)
    if not path.exists():
        raise ModelError(f"{path}: no such checkpoint or bundle")
    if path.is_dir():
        return load_bundle(path, device)
    return load_checkpoint(path, device)
