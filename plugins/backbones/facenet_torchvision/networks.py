"""Building torchvision networks that end in features instead of classes."""

from __future__ import annotations

import urllib.error
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision import models

from facenet.errors import ConfigError, ModelError
from facenet.types import Backbone

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Per RGB channel; what all torchvision weights were trained with (torchvision.transforms docs)."""

_HEADS = ("fc", "classifier", "head", "heads")
_SIZE_ARGUMENT = {"vit": "image_size", "maxvit": "input_size"}


def list_architectures() -> list[str]:
    """Names of the classification networks; detection and video networks are not among them."""
    return list(models.list_models(module=models))


def build(architecture: str, *, pretrained: bool, image_size: int) -> Backbone:
    """Build one network whose classifier is replaced by the identity.

    Raises `ConfigError` when the network cannot work at `image_size`, and `ModelError` when
    pretrained weights cannot be had.
    """
    weights = models.get_model_weights(architecture).DEFAULT if pretrained else None
    try:
        module = _construct(architecture, weights, image_size)
        remove_classifier(module)
        feature_dim = _feature_dim(module, image_size)
    except (AssertionError, RuntimeError, ValueError) as error:
        own = _own_input_size(architecture)
        raise ConfigError(
            f"{architecture} cannot work at image_size {image_size}"
            f" (its own is {own}): {str(error).splitlines()[0]}"
        ) from error
    return Backbone(
        module,
        feature_dim,
        input_size=_own_input_size(architecture),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        licence=_licence(weights) if weights else None,
    )


def remove_classifier(network: nn.Module) -> None:
    """Replace the last layer that maps features to classes, in place.

    That is the last linear layer of the head, or squeezenet's 1x1 convolution.
    """
    head_name = next(name for name in _HEADS if hasattr(network, name))
    layers = [
        name
        for name, layer in getattr(network, head_name).named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    network.set_submodule(f"{head_name}.{layers[-1]}".rstrip("."), nn.Identity())


def _construct(architecture: str, weights: Any, image_size: int) -> nn.Module:
    options: dict[str, Any] = {}
    if architecture in ("googlenet", "inception_v3"):
        # Without these the networks give auxiliary outputs in training, and take a minute to
        # fill their weights. Pretrained weights bring the auxiliary heads along: removed below.
        options = {} if weights else {"aux_logits": False, "init_weights": False}
    size_argument = _SIZE_ARGUMENT.get(architecture.partition("_")[0])
    if size_argument:
        key = size_argument
        options[key] = (image_size, image_size) if key == "input_size" else image_size
    try:
        network: nn.Module = models.get_model(architecture, weights=weights, **options)
    except (urllib.error.URLError, OSError) as error:
        file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
        raise ModelError(
            f"pretrained weights of {architecture} could not be fetched ({error}): put "
            f"{file.name} into {file.parent}, or set model.pretrained: false"
        ) from error
    if hasattr(network, "aux_logits"):
        # setattr: torch types the attributes of a module as tensors and modules only.
        for name, value in (
            ("aux_logits", False),
            ("aux1", None),
            ("aux2", None),
            ("AuxLogits", None),
        ):
            if hasattr(network, name):
                setattr(network, name, value)
    return network


def _feature_dim(module: nn.Module, image_size: int) -> int:
    """Measured on one black image, so that an impossible size is found before training."""
    was_training = module.training
    with torch.inference_mode():
        features = module.eval()(torch.zeros(1, 3, image_size, image_size))
    module.train(was_training)
    return int(features.shape[1])


def _own_input_size(architecture: str) -> int:
    transforms = models.get_model_weights(architecture).DEFAULT.transforms()
    return int(transforms.crop_size[0])


def _licence(weights: Any) -> str:
    """SWAG weights are CC-BY-NC-4.0 (its repository's LICENSE), the others BSD-3-Clause."""
    return "CC-BY-NC-4.0" if "SWAG" in weights.name else "BSD-3-Clause"
