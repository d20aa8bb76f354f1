"""From a photo and a face in it to the square of pixels that a network sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as PillowImage

if TYPE_CHECKING:
    from facenet.types import Image

Box = tuple[float, float, float, float]


def whole_image_box(image: Image) -> Box:
    """The box x1, y1, x2, y2 that holds all of an image."""
    height, width = image.shape[:2]
    return 0.0, 0.0, float(width), float(height)


def crop_face(image: Image, box: Box, size: int) -> Image:
    """The largest centred square inside `box`, resized to (size, size, 3) uint8.

    This is the alignment called `none`: no landmarks, no margin. Resizing is Pillow's bilinear
    filter, which is antialiased when it shrinks; training and recognition share this function.
    """
    x1, y1, x2, y2 = box
    side = min(x2 - x1, y2 - y1)
    left, top = (x1 + x2 - side) / 2, (y1 + y2 - side) / 2
    resized = PillowImage.fromarray(image).resize(
        (size, size), PillowImage.Resampling.BILINEAR, box=(left, top, left + side, top + side)
    )
    return np.asarray(resized)
