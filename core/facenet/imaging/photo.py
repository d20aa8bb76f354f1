"""A photo whose pixels are decoded when they are asked for, and no larger than asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image as PillowImage

if TYPE_CHECKING:
    from facenet.types import Image


class View(NamedTuple):
    """(h, w, 3) uint8 RGB `pixels` of a photo; `scale_x` and `scale_y` take its coordinates to
    those of the pixels, and are at most 1."""

    pixels: Image
    scale_x: float
    scale_y: float


class Photo:
    """An image that is safe to use: checked, upright, RGB. Made by `open_photo`.

    It remembers the pixels that it decoded last, and belongs to one thread at a time.
    """

    def __init__(
        self, name: str, size: tuple[int, int], decode: Callable[[float], View], view: View | None
    ) -> None:
        self.name = name
        """How messages call it."""
        self.size = size
        """(width, height) in pixels."""
        self._decode = decode
        self._view = view

    def at(self, scale: float) -> View:
        """The pixels at `scale` of the photo's size or larger, as is cheapest; 1: all there are.

        Raises `ImageError` when they are damaged.
        """
        if self._view is None or self._view.scale_x < min(scale, 1):
            self._view = self._decode(scale)
        return self._view

    def within(self, longest_side: int | None, *, next_scale: float = 0.0) -> View:
        """The pixels, reduced where a side is longer than this; None: all there are.

        `next_scale` is what `at` will be asked for next, so that one decoding serves both.
        Raises `ImageError` when they are damaged.
        """
        width, height = self.size
        scale = longest_side / max(self.size) if longest_side else 1
        view = self.at(max(scale, next_scale))
        if scale >= 1:
            return view
        size = max(1, round(width * scale)), max(1, round(height * scale))
        box = 0, 0, width * view.scale_x, height * view.scale_y
        # The bilinear filter is antialiased where it shrinks; blocks are averaged before it where
        # two pixels and more are left for it to do, which is faster.
        reduced = PillowImage.fromarray(view.pixels).resize(
            size, PillowImage.Resampling.BILINEAR, box=box, reducing_gap=2.0
        )
        return View(np.asarray(reduced), size[0] / width, size[1] / height)
