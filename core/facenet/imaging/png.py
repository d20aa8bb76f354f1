"""Pixels as PNG files, quickly."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image as PillowImage

if TYPE_CHECKING:
    from facenet.types import Image

_COMPRESSION = 1
"""A third of the time of the default, for 6 % more bytes."""


def png(pixels: Image) -> bytes:
    """(H, W, 3) uint8 RGB pixels as a PNG file, which decodes to exactly these."""
    encoded = io.BytesIO()
    PillowImage.fromarray(pixels).save(encoded, "PNG", compress_level=_COMPRESSION)
    return encoded.getvalue()
