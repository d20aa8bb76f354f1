"""From whatever pixels a file has to upright RGB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as PillowImage
from PIL.WebPImagePlugin import WebPImageFile

from facenet.errors import ImageError

if TYPE_CHECKING:
    from facenet.types import Image

STRIP = 2**18
"""Pixels that are converted at a time: whole images in between would cost 100 MB each."""
# The EXIF orientations in which the rows, or columns, of the file run from the last to the first,
# and those in which they are columns, or rows, of the upright image.
ROWS_REVERSED, COLUMNS_REVERSED, TURNED = {3, 4, 6, 7}, {2, 3, 7, 8}, {5, 6, 7, 8}
_UPRIGHT = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}


def upright_rgb(
    strips: Iterable[PillowImage.Image], size: tuple[int, int], orientation: int
) -> Image:
    """(H, W, 3) uint8 RGB, upright, from an image of (width, height) as its file holds it.

    `orientation` is that of EXIF, 1 to 8. Raises `ImageError` for pixels that are no photo's.
    """
    width, height = size
    turned = orientation in TURNED
    upright = np.empty((width, height, 3) if turned else (height, width, 3), np.uint8)
    top = 0
    for strip in strips:
        start = height - top - strip.height if orientation in ROWS_REVERSED else top
        rows = slice(start, start + strip.height)
        top += strip.height
        rgb = to_rgb(strip)
        if orientation in _UPRIGHT:
            rgb = rgb.transpose(_UPRIGHT[orientation])
        upright[(slice(None), rows) if turned else rows] = np.asarray(rgb)
    return upright


def strips(image: PillowImage.Image) -> Iterator[PillowImage.Image]:
    """An image cut into strips of its whole width, from the top."""
    image.load()
    for top, bottom in _rows(image.size):
        yield image.crop((0, top, image.width, bottom))


def strips_of_webp(image: WebPImageFile) -> Iterator[PillowImage.Image]:
    """As `strips`, of an image that is not used any more, in two thirds of the memory.

    Pillow would hold its own copy of the pixels beside the three of its WebP decoder.
    """
    pixels, _, _ = image._get_next()
    del image._decoder
    row = len(pixels) // image.height
    for top, bottom in _rows(image.size):
        part = memoryview(pixels)[top * row : bottom * row]
        yield PillowImage.frombytes(
            image.mode, (image.width, bottom - top), part, "raw", image.rawmode
        )


def to_rgb(image: PillowImage.Image) -> PillowImage.Image:
    """8-bit RGB: 16-bit grey is scaled, transparent pixels are laid over white.

    Raises `ImageError` for floating-point pixels and for integers of more than 16 bits, whose
    range no file states.
    """
    if image.mode == "F":
        raise ImageError("floating-point pixels: not a photo")
    if image.mode.startswith("I"):
        return _eight_bits(image).convert("RGB")
    if image.has_transparency_data:
        if image.mode != "RGBA":
            image = image.convert("RGBA")
        opaque = PillowImage.new("RGB", image.size, "white")
        opaque.paste(image, mask=image)
        return opaque
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: PillowImage.Image) -> PillowImage.Image:
    """Grey of 16 bits to 8 by scaling; Pillow's own conversion clips at 255."""
    grey = np.asarray(image)
    if grey.min() < 0 or grey.max() > 65535:
        raise ImageError("integers of more than 16 bits: not a photo")
    return PillowImage.fromarray(((grey.astype(np.int32) + 128) // 257).astype(np.uint8))


def _rows(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    width, height = size
    step = max(1, STRIP // width)
    return ((top, min(top + step, height)) for top in range(0, height, step))
