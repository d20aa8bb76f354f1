"""Backbone plugin `torchvision`: every classification network of torchvision.models."""

from __future__ import annotations

from collections.abc import Sequence

from facenet.hookspecs import hookimpl
from facenet.types import Backbone, PluginInfo


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="The classification networks of torchvision.models, without their classifier",
        licence="BSD-3-Clause",
        install="pip install 'facenet-kit[train]'",
    )


@hookimpl
def list_architectures() -> Sequence[str]:
    from facenet_torchvision.networks import list_architectures

    return list_architectures()


@hookimpl
def make_backbone(architecture: str, pretrained: bool, image_size: int) -> Backbone:
    from facenet_torchvision.networks import build

    return build(architecture, pretrained=pretrained, image_size=image_size)
