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
    return WholeImage()


class WholeImage:
    """One face for each (H, W, 3) image: all of it, whatever its size."""

    working_size = 1

    def __call__(self, images: Sequence[Image]) -> list[list[Face]]:
        return [
            [Face(box=(0.0, 0.0, float(image.shape[1]), float(image.shape[0])), score=1.0)]
            for image in images
        ]
