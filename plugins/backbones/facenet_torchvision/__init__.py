"""Backbone plugin `torchvision`: every classification network of torchvision.models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from facenet.backbones import PretrainedOptions
from facenet.hookspecs import hookimpl
from facenet.types import PluginInfo

if TYPE_CHECKING:
    from facenet.types import Architecture, Backbone


class Options(PretrainedOptions):
    """Which pretrained weights, and from where."""

    weights: str | None = Field(
        None,
        description="Name of the pretrained weights, as IMAGENET1K_V1; default: torchvision's "
        "best for the architecture.",
    )


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="The classification networks of torchvision.models, without their classifier",
        licence="MIT",
        options=Options,
        install="pip install 'facenet-kit[train]'",
        requires={"torchvision": "BSD-3-Clause"},
    )


@hookimpl
def list_architectures() -> Sequence[Architecture]:
    from facenet_torchvision.weights import list_architectures

    return list_architectures()


@hookimpl
def make_backbone(
    options: Options, architecture: str, pretrained: bool, image_size: int
) -> Backbone:
    from facenet_torchvision.networks import build

    return build(options, architecture, pretrained=pretrained, image_size=image_size)
