"""From whatever pixels a file has to RGB."""

from __future__ import annotations

import numpy as np
from PIL import Image as PillowImage

from facenet.errors import ImageError


def to_rgb(image: PillowImage.Image) -> PillowImage.Image:
    """8-bit RGB: 16-bit grey is scaled, transparent pixels are laid over white.

    Raises `ImageError` for floating-point pixels, whose range no file states.
    """
    if image.mode == "RGB":
        return image
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
    return image.convert("RGB")


def _eight_bits(image: PillowImage.Image) -> PillowImage.Image:
    """Grey of 16 bits to 8 by scaling; Pillow's own conversion clips at 255."""
    return PillowImage.fromarray((np.asarray(image) // 257).astype(np.uint8))
