"""Building timm's networks without their classifier."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from facenet.backbones import PretrainedOptions, built_for, feature_dim, read_state_dict
from facenet.errors import ConfigError, ModelError
from facenet.types import Backbone
from facenet_timm.fetching import fetched
from facenet_timm.names import input_size, pretrained_cfg, spdx_licence, timm_name


def build(
    options: PretrainedOptions, architecture: str, *, pretrained: bool, image_size: int
) -> Backbone:
    """Build one network that ends in pooled features.

    Raises `ConfigError` when the network cannot work at `image_size` or has no pretrained
    weights, and `ModelError` when these cannot be had.
    """
    options.check_wanted(pretrained)
    cfg = pretrained_cfg(architecture)
    own_size = input_size(cfg)
    with built_for(architecture, image_size, own_size):
        if not pretrained:
            module = _create(architecture, image_size)
        elif options.weights_file is not None:
            module = _create_from_file(architecture, image_size, options.weights_file)
        else:
            module = _create_from_hub(architecture, image_size, cfg)
        dimension = feature_dim(module, image_size)
    return Backbone(
        module,
        dimension,
        input_size=own_size,
        mean=tuple(cfg.mean),
        std=tuple(cfg.std),
        licence=spdx_licence(cfg) if pretrained else None,
        options={},
    )


def _create(architecture: str, image_size: int, **arguments: Any) -> nn.Module:
    """A network for `image_size`: told so where it must know, otherwise any size will do."""
    name = timm_name(architecture)
    try:
        return timm.create_model(name, num_classes=0, img_size=image_size, **arguments)
    except TypeError as error:
        if "'img_size'" not in str(error):
            raise
    return timm.create_model(name, num_classes=0, **arguments)


def _create_from_hub(architecture: str, image_size: int, cfg: Any) -> nn.Module:
    if not cfg.has_weights:
        raise ConfigError(
            f"timm has no pretrained weights for {architecture}: set model.pretrained: false, "
            "or name a file in model.backbone.weights_file"
        )
    with fetched(architecture, cfg):
        return _create(architecture, image_size, pretrained=True)


def _create_from_file(architecture: str, image_size: int, file: Path) -> nn.Module:
    state = read_state_dict(file)
    try:
        module = _create_filled(architecture, image_size, state, seed=0)
        other = _create_filled(architecture, image_size, state, seed=1).state_dict()
    except (RuntimeError, KeyError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise ModelError(f"{_unfit(file, architecture)}: {reason}") from error
    # timm fills what it can and leaves the rest as random as it was.
    random = [name for name, own in module.state_dict().items() if not own.equal(other[name])]
    if random:
        raise ModelError(f"{_unfit(file, architecture)}: {random[0]} is missing")
    return module


def _create_filled(
    architecture: str, image_size: int, state: Mapping[str, torch.Tensor], seed: int
) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        # A copy, because timm takes from it what it does not need.
        overlay = {"state_dict": dict(state), "custom_load": False}
        module = _create(architecture, image_size, pretrained=True, pretrained_cfg_overlay=overlay)
    # It keeps its configuration, and with it a second copy of all weights.
    vars(module)["pretrained_cfg"]["state_dict"] = None
    return module


def _unfit(file: Path, architecture: str) -> str:
    return f"weights_file {file} for {architecture}: the weights do not fit"
