"""A detector plugin whose mood the picture sets: a face is all of it, none, or a while coming."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from facenet.hookspecs import hookimpl
from facenet.types import Detector, Face, PluginInfo

if TYPE_CHECKING:
    from facenet.types import Image

SLOW_SECONDS = 3.0


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(summary="For tests of the service", licence="MIT")


@hookimpl
def make_detector() -> Detector:
    return Moody()


class Moody:
    """A picture of one colour has no face; one that is much wider than high takes long."""

    def __call__(self, images: Sequence[Image]) -> list[list[Face]]:
        return [self._faces(image) for image in images]

    def _faces(self, image: Image) -> list[Face]:
        height, width = image.shape[:2]
        if width > 4 * height:
            time.sleep(SLOW_SECONDS)
        if image.min() == image.max():
            return []
        return [Face(box=(0.0, 0.0, float(width), float(height)), score=1.0)]
