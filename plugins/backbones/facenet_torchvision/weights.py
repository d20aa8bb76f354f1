"""torchvision's pretrained weights: their names, what is known of them, and fetching them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torchvision import models

from facenet.errors import ConfigError, ModelError
from facenet.text import did_you_mean
from facenet.types import Architecture

SWAG_NAMES = {
    f"vit_{size}_16_swag_{kind}": (f"vit_{size}_16", f"IMAGENET1K_SWAG_{kind.upper()}_V1")
    for size in ("b", "l")
    for kind in ("e2e", "linear")
}
"""Names of ours for a network together with certain weights: (network, weights)."""

_HALF = (0.5, 0.5, 0.5)
_WITH_TRANSFORM_INPUT = ("googlenet", "inception_v3")
"""Their weights expect pixels in -1..1. torchvision hides it behind ImageNet's mean and std and a
switch in the network that only its own weights turn on."""


def list_architectures() -> list[Architecture]:
    """The classification networks; detection and video networks are not among them."""
    return [_record(name) for name in (*models.list_models(module=models), *SWAG_NAMES)]


def network_of(architecture: str) -> str:
    """torchvision's own name of the network."""
    return SWAG_NAMES.get(architecture, (architecture, ""))[0]


def choose(architecture: str, wanted: str | None = None) -> Any:
    """The member of torchvision's weights enum that `wanted`, or else the architecture, names.

    Raises `ConfigError` with the right names when there is no such member.
    """
    network, own = SWAG_NAMES.get(architecture, (architecture, "DEFAULT"))
    members = models.get_model_weights(network).__members__
    # These lack the layers after the convolutions (NaN in their place).
    names = [name for name in members if not name.endswith("_FEATURES")]
    if architecture in SWAG_NAMES:
        names = [own]
    if wanted is not None and wanted not in names:
        names = [name for name in names if name != "DEFAULT"]
        raise ConfigError(
            f"model.backbone.weights: {architecture} has no weights {wanted!r}"
            f"{did_you_mean(wanted, names)} (it has {', '.join(names)})"
        )
    return members[wanted or own]


def input_size(weights: Any) -> int:
    """The side in pixels of the images that the weights were made for."""
    return int(weights.transforms().crop_size[0])


def mean_and_std(
    network: str, weights: Any
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Per RGB channel, for pixel values in 0..1."""
    if network in _WITH_TRANSFORM_INPUT:
        return _HALF, _HALF
    transforms = weights.transforms()
    return tuple(transforms.mean), tuple(transforms.std)


def licence(weights: Any) -> str:
    """SWAG weights are CC-BY-NC-4.0 (its repository's LICENSE), the others BSD-3-Clause."""
    return "CC-BY-NC-4.0" if "SWAG" in weights.name else "BSD-3-Clause"


def fetch(weights: Any, architecture: str) -> Mapping[str, torch.Tensor]:
    """The state dict from torch's hub cache, downloaded when it is not there.

    Raises `ModelError` that says where the file belongs when it cannot be had.
    """
    try:
        state: Mapping[str, torch.Tensor] = weights.get_state_dict(
            progress=True, check_hash=True, map_location="cpu", weights_only=True
        )
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
        raise ModelError(
            f"pretrained weights of {architecture} could not be fetched ({error}): put "
            f"{file.name} into {file.parent}, or set model.backbone.weights_file to it, "
            "or set model.pretrained: false"
        ) from error
    return state


def _record(architecture: str) -> Architecture:
    weights = choose(architecture)
    return Architecture(
        architecture, weights.meta["num_params"], input_size(weights), licence(weights)
    )
