"""What a file of the corpus is, and the picture that most of them hold."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

Colour = tuple[int, int, int]

COLOURS: list[Colour] = [(230, 40, 40), (40, 200, 60), (40, 60, 220), (240, 240, 240)]
GREYS: list[Colour] = [(0, 0, 0), (85, 85, 85), (170, 170, 170), (255, 255, 255)]
BLACK_AND_WHITE: list[Colour] = [(0, 0, 0), (255, 255, 255), (255, 255, 255), (0, 0, 0)]
WIDTH, HEIGHT = 48, 32
MANY = 1_000_000
"""How often a file repeats what costs a decoder little once."""


@dataclass(frozen=True)
class Sample:
    """A file, and what must come of it.

    `quarters`: the colours of the upper left, upper right, lower left and lower right quarter of
    its pixels, within `tolerance`, and its (width, height). `refused`: what its `ImageError` says,
    as a regular expression. Neither: pixels or an error, whichever.
    """

    name: str
    content: bytes
    quarters: Sequence[Colour] | None = None
    size: tuple[int, int] = (WIDTH, HEIGHT)
    tolerance: int = 3
    refused: str | None = None


def quarters(
    colours: Sequence[Colour] = COLOURS, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> Image.Image:
    """The picture: four rectangles."""
    width, height = size
    columns, rows = np.arange(width) >= width / 2, np.arange(height) >= height / 2
    index = 2 * rows[:, None] + columns
    return Image.fromarray(np.array(colours, np.uint8)[index])


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def as_stored(orientation: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    """The picture as a camera stores it that states this EXIF orientation."""
    upright = np.asarray(quarters(size=size))
    if orientation in (5, 6, 7, 8):
        upright = upright.swapaxes(0, 1)
    rows, columns = orientation in (3, 4, 6, 7), orientation in (2, 3, 7, 8)
    return Image.fromarray(np.ascontiguousarray(upright[:: 1 - 2 * rows, :: 1 - 2 * columns]))


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = orientation
    return data
