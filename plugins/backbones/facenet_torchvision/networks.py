"""Building torchvision networks that end in features instead of classes."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torchvision import models
from torchvision.models.vision_transformer import interpolate_embeddings

from facenet.backbones import built_for, feature_dim, read_state_dict
from facenet.errors import ModelError
from facenet.types import Backbone
from facenet_torchvision import weights as published

if TYPE_CHECKING:
    from facenet_torchvision import Options

_HEADS = ("fc", "classifier", "head", "heads")
_SIZE_ARGUMENT = {"vit": "image_size", "maxvit": "input_size"}
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
_POSITIONS = "encoder.pos_embedding"
_DENSE_LAYER = re.compile(r"(\.denselayer\d+\.(?:norm|conv))\.([12]\.)")
"""Published DenseNet weights are older than the rule that a name holds no dot: norm.1 -> norm1."""


def build(options: Options, architecture: str, *, pretrained: bool, image_size: int) -> Backbone:
    """Build one network whose classifier is replaced by the identity.

    Raises `ConfigError` when the network cannot work at `image_size` or the weights have another
    name, and `ModelError` when pretrained weights cannot be had.
    """
    options.check_wanted(pretrained)
    network = published.network_of(architecture)
    weights = published.choose(architecture, options.weights)
    own_size = published.input_size(weights)
    with built_for(architecture, image_size, own_size):
        module = _construct(network, image_size)
        classifier = remove_classifier(module)
    if pretrained:
        file = options.weights_file
        state = read_state_dict(file) if file else published.fetch(weights, architecture)
        source = f"weights_file {file}" if file else weights.name
        _load(module, state, (f"{classifier}.", *_AUXILIARY), f"{source} for {architecture}")
    with built_for(architecture, image_size, own_size):
        dimension = feature_dim(module, image_size)
    mean, std = published.mean_and_std(network, weights)
    return Backbone(
        module,
        dimension,
        input_size=own_size,
        mean=mean,
        std=std,
        licence=published.licence(weights) if pretrained else None,
        options={},
    )


def remove_classifier(network: nn.Module) -> str:
    """Replace the last layer that maps features to classes, in place; its name.

    That is the last linear layer of the head, or squeezenet's 1x1 convolution.
    """
    head_name = next(name for name in _HEADS if hasattr(network, name))
    layers = [
        name
        for name, layer in getattr(network, head_name).named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    classifier = f"{head_name}.{layers[-1]}".rstrip(".")
    network.set_submodule(classifier, nn.Identity())
    return classifier


def _construct(network: str, image_size: int) -> nn.Module:
    options: dict[str, Any] = {}
    if network in ("googlenet", "inception_v3"):
        # Without these the networks give auxiliary outputs in training, and take a minute to
        # fill their weights.
        options = {"aux_logits": False, "init_weights": False}
    key = _SIZE_ARGUMENT.get(network.partition("_")[0])
    if key:
        options[key] = (image_size, image_size) if key == "input_size" else image_size
    module: nn.Module = models.get_model(network, weights=None, **options)
    return module


def _load(
    module: nn.Module, state: Mapping[str, torch.Tensor], dropped: tuple[str, ...], what: str
) -> None:
    """Fill all of `module`; only names that begin with one of `dropped` may be left over."""
    renamed = OrderedDict((_DENSE_LAYER.sub(r"\1\2", name), state[name]) for name in state)
    # The version of each layer's format; a .safetensors file is too young to need it.
    renamed._metadata = getattr(state, "_metadata", module.state_dict()._metadata)  # type: ignore[attr-defined]
    try:
        if isinstance(module, models.VisionTransformer) and _POSITIONS in renamed:
            interpolate_embeddings(module.image_size, module.patch_size, renamed)
        result = module.load_state_dict(renamed, strict=False)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise ModelError(f"{what}: the weights do not fit: {reason}") from error
    # Weights from before torch 0.4.1 lack this counter, which has no effect on features.
    missing = [name for name in result.missing_keys if not name.endswith("num_batches_tracked")]
    surplus = [name for name in result.unexpected_keys if not name.startswith(dropped)]
    if missing or surplus:
        wrong = f"{missing[0]} is missing" if missing else f"{surplus[0]} is not in the network"
        raise ModelError(f"{what}: the weights do not fit: {wrong}")
