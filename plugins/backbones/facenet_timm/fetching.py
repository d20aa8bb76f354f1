"""Pretrained weights from the Hugging Face hub or an address, and what to do without a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants

from facenet.errors import ModelError
from facenet.text import first_line

WEIGHTS_NAME = "model.safetensors"
"""What timm's repositories on the hub call their weights."""


@contextmanager
def fetched(architecture: str, cfg: Any) -> Iterator[None]:
    """Turn a failed download into a `ModelError` that says which file belongs where."""
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"pretrained weights of {architecture} could not be fetched ({first_line(error)}): "
            f"{_remedy(cfg)}, or set model.pretrained: false"
        ) from error


def _remedy(cfg: Any) -> str:
    if cfg.hf_hub_id:
        file = cfg.hf_hub_filename or WEIGHTS_NAME
        return (
            f"set model.backbone.weights_file to a copy of {file} of {cfg.hf_hub_id} on the "
            f"Hugging Face hub, or bring that repository's cache folder into "
            f"{constants.HF_HUB_CACHE}"
        )
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    return f"put {Path(cfg.url).name} into {folder}, or set model.backbone.weights_file to a copy"
