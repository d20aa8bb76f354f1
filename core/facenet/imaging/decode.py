"""The one way in which pixels enter the program."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from facenet.errors import DataError, ImageError

if TYPE_CHECKING:
    from facenet.types import Image

    ImageSource = str | os.PathLike[str] | bytes | PillowImage.Image | Image
else:
    ImageSource = Any

FORMATS = {
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "PPM": (".pgm", ".ppm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
"""Pillow's names of the formats that are read, and the endings their files have."""

IMAGE_SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
MAX_PIXELS = 25_000_000


def decode(source: ImageSource, *, max_pixels: int = MAX_PIXELS, at_least: int = 0) -> Image:
    """Decode a path, encoded bytes, a Pillow image or an RGB array to (H, W, 3) uint8 RGB.

    The header is checked before any pixel is decoded, EXIF orientation is applied, the first
    frame is taken. With `at_least`, a JPEG may come at a reduced size whose shorter side is still
    at least that many pixels; this makes large photos several times faster.

    Raises `ImageError` naming the image and what is wrong with it.
    """
    if isinstance(source, np.ndarray):
        return _checked_array(source)
    name = name_of(source)
    try:
        with _open(source) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise ImageError(
                    f"{name}: {width} x {height} pixels are more than the {max_pixels:,} allowed"
                )
            if at_least:
                image.draft(None, (at_least, at_least))
            upright = ImageOps.exif_transpose(image)
            return np.asarray(_to_eight_bits(upright).convert("RGB"))
    except FileNotFoundError:
        raise ImageError(f"{name}: no such file") from None
    except UnidentifiedImageError:
        formats = ", ".join(FORMATS)
        raise ImageError(f"{name}: not an image in a known format ({formats})") from None
    except PillowImage.DecompressionBombError as error:
        raise ImageError(f"{name}: {error}") from None
    except (OSError, SyntaxError, ValueError) as error:
        # Pillow's decoders raise all three for damaged files.
        raise ImageError(f"{name}: cannot be decoded: {error}") from error


def name_of(source: ImageSource) -> str:
    """How messages call an image: its path, or what kind of object it is."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    if isinstance(source, bytes):
        return f"image of {len(source)} bytes"
    return "image"


def image_files(folder: Path) -> list[Path]:
    """All image files below a folder, by their ending, in order of path.

    Raises `DataError` when there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )


def _open(source: str | os.PathLike[str] | bytes | PillowImage.Image) -> PillowImage.Image:
    if isinstance(source, PillowImage.Image):
        return source.copy()
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    return PillowImage.open(file, formats=list(FORMATS))


def _to_eight_bits(image: PillowImage.Image) -> PillowImage.Image:
    """16-bit grey to 8 bits by scaling; Pillow's own conversion clips at 255."""
    if not image.mode.startswith("I"):
        return image
    return PillowImage.fromarray((np.asarray(image).astype(np.float32) / 257).astype(np.uint8))


def _checked_array(array: Image) -> Image:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ImageError(
            f"array of shape {array.shape} and type {array.dtype}: must be (H, W, 3) uint8 RGB"
        )
    return array
