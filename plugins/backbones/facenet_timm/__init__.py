"""Backbone plugin `timm`: every network of the library timm (PyTorch Image Models)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from facenet.backbones import PretrainedOptions
from facenet.hookspecs import hookimpl
from facenet.types import PluginInfo

if TYPE_CHECKING:
    from facenet.types import Architecture, Backbone


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="The networks of timm, without their classifier",
        licence="MIT",
        options=PretrainedOptions,
        install="pip install 'facenet-kit[timm]'",
        requires={"timm": "Apache-2.0", "huggingface-hub": "Apache-2.0"},
    )


@hookimpl
def list_architectures() -> Sequence[Architecture]:
    from facenet_timm.names import list_architectures

    return list_architectures()


@hookimpl
def explain_architecture(name: str) -> str | None:
    from facenet_timm.names import explain

    return explain(name)


@hookimpl
def make_backbone(
    options: PretrainedOptions, architecture: str, pretrained: bool, image_size: int
) -> Backbone:
    from facenet_timm.networks import build

    return build(options, architecture, pretrained=pretrained, image_size=image_size)
