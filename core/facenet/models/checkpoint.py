"""Training checkpoints: Lightning's format, read without unpickling code."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from facenet.errors import ModelError
from facenet.models.card import ModelCard, NetworkSpec, parse_card
from facenet.models.network import build_network
from facenet.models.torch_model import TorchModel
from facenet.models.weights import embedding_space, load_weights
from facenet.text import first_line

CARD_KEY = "facenet_card"
"""Where a checkpoint keeps the model card, as a dictionary of plain values."""
_NETWORK_PREFIX = "network."


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> TorchModel:
    """The model of a .ckpt file.

    Raises `ModelError` when the file is damaged or was not written by `facenet train`.
    """
    card, weights = read_checkpoint(path)
    if not isinstance(card.network, NetworkSpec):
        raise ModelError(f"{path}: not a checkpoint written by `facenet train`")
    network, _, _ = build_network(card.network, image_size=card.preprocessing.image_size)
    load_weights(network, weights, path, card.network.backbone)
    return TorchModel(network, card, device)


def read_content(path: Path) -> dict[str, Any]:
    """All that a .ckpt file of ours holds; raises `ModelError` when it is another file."""
    if not zipfile.is_zipfile(path):
        raise ModelError(f"{path}: not a checkpoint, which is a ZIP archive of torch.save")
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = first_line(error)
        raise ModelError(f"{path}: not a checkpoint that can be read safely: {reason}") from error
    if not isinstance(content, dict) or CARD_KEY not in content:
        raise ModelError(f"{path}: not a checkpoint written by `facenet train`")
    return content


def read_checkpoint(path: Path) -> tuple[ModelCard, dict[str, torch.Tensor]]:
    """Card and network weights of a .ckpt file; builds nothing."""
    content = read_content(path)
    card = parse_card(content[CARD_KEY], str(path))
    weights = {
        name.removeprefix(_NETWORK_PREFIX): tensor
        for name, tensor in content["state_dict"].items()
        if name.startswith(_NETWORK_PREFIX)
    }
    space = embedding_space(weights, card.preprocessing)
    return card.model_copy(update={"space": space}), weights
