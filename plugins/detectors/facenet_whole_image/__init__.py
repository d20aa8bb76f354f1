"""Detector plugin `whole_image`: the photo is the face, for data that is already cropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from facenet.hookspecs import hookimpl
from facenet.types import Detector, Face, PluginInfo

if TYPE_CHECKING:
    from facenet.types import Image


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(summary="Takes each image as one face, score 1", licence="MIT")


@hookimpl
def make_detector() -> Detector:
    return detect_whole_images


def detect_whole_images(images: Sequence[Image]) -> list[list[Face]]:
    """One face for each (H, W, 3) image: all of it."""
    from facenet.imaging import whole_image_box

    return [[Face(box=whole_image_box(image), score=1.0)] for image in images]
