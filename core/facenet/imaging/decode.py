"""The one way in which pixels enter the program."""

from __future__ import annotations

import io
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from facenet.errors import ImageError
from facenet.imaging.colours import to_rgb
from facenet.imaging.photo import Photo, View
from facenet.types import ImageLimits

if TYPE_CHECKING:
    from facenet.types import Image

    ImageSource = str | os.PathLike[str] | bytes | PillowImage.Image | Image | Photo
else:
    ImageSource = Any

MAX_SCANS = 100
"""Scans of a JPEG, each of which passes over all of it: a camera's has about ten, a hostile one
thousands."""

_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}
"""What makes an image upright, by the EXIF orientations that are not upright."""


def open_photo(
    source: ImageSource, limits: ImageLimits | None = None, *, name: str | None = None
) -> Photo:
    """Open a path, encoded bytes, a Pillow image or an (H, W, 3) uint8 RGB array.

    The header is checked before any pixel is decoded, EXIF orientation is applied, the first frame
    is taken, transparent pixels are laid over white. A JPEG is decoded when pixels are asked for:
    at 1/2, 1/4 or 1/8 of its size where that is enough, in a fraction of the time. `name` is how
    messages call the image; default: its path.

    Raises `ImageError` naming the image and what is wrong with it. Addresses are never fetched.
    """
    if isinstance(source, Photo):
        return source
    name = name or name_of(source)
    limits = limits or ImageLimits()
    if isinstance(source, np.ndarray):
        return _decoded(name, _checked_array(source))
    if isinstance(source, PillowImage.Image):
        _check_size(source, name, limits)
        with _decoding(name, limits):
            return _decoded(name, _pixels(source, _orientation(source)))
    encoded = source if isinstance(source, bytes) else _read(source, name, limits)
    _check_length(len(encoded), name, limits)
    with (
        _decoding(name, limits),
        PillowImage.open(io.BytesIO(encoded), formats=limits.formats) as image,
    ):
        _check_size(image, name, limits)
        orientation = _orientation(image)
        if not isinstance(image, JpegImageFile):
            return _decoded(name, _pixels(image, orientation))
        if encoded.count(b"\xff\xda") > MAX_SCANS:
            raise ImageError(f"{name}: a JPEG of more than {MAX_SCANS} scans")
        size = image.size[::-1] if orientation >= 5 else image.size
        return Photo(name, size, partial(_decode_jpeg, encoded, orientation, name, limits), None)


def decode(source: ImageSource, limits: ImageLimits | None = None) -> Image:
    """All pixels of an image, (H, W, 3) uint8 RGB; sources and errors as of `open_photo`."""
    return open_photo(source, limits).at(1).pixels


def name_of(source: ImageSource) -> str:
    """How messages call an image: its path, or what kind of object it is."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    if isinstance(source, Photo):
        return source.name
    return f"image of {len(source)} bytes" if isinstance(source, bytes) else "image"


def _decoded(name: str, pixels: Image) -> Photo:
    view = View(pixels, 1, 1)
    return Photo(name, (pixels.shape[1], pixels.shape[0]), lambda _scale: view, view)


def _decode_jpeg(
    encoded: bytes, orientation: int, name: str, limits: ImageLimits, scale: float
) -> View:
    with _decoding(name, limits), PillowImage.open(io.BytesIO(encoded), formats=["JPEG"]) as image:
        width, height = image.size
        image.draft(None, (max(1, math.ceil(width * scale)), max(1, math.ceil(height * scale))))
        # Sides that the denominator does not divide are rounded up; the scale stays exact.
        reduced = 1 / round(width / image.width)
        return View(_pixels(image, orientation), reduced, reduced)


def _pixels(image: PillowImage.Image, orientation: int) -> Image:
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    return np.asarray(to_rgb(image))


def _orientation(image: PillowImage.Image) -> int:
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:
        # Damaged EXIF data, for which Pillow has no error of its own, says nothing of orientation.
        return 1


@contextmanager
def _decoding(name: str, limits: ImageLimits) -> Iterator[None]:
    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError:
        known = ", ".join(limits.formats)
        raise ImageError(f"{name}: not an image in a known format ({known})") from None
    except Exception as error:
        # Pillow's decoders raise whatever a damaged file leads them to.
        raise ImageError(f"{name}: cannot be decoded: {error}") from error


def _read(path: str | os.PathLike[str], name: str, limits: ImageLimits) -> bytes:
    if isinstance(path, str) and "://" in path:
        raise ImageError(f"{name}: is an address, and facenet fetches none; give a file or bytes")
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise ImageError(f"{name}: is not a file")
        _check_length(found.st_size, name, limits)
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise ImageError(f"{name}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = error.strerror if isinstance(error, OSError) else error
        raise ImageError(f"{name}: cannot be read: {reason}") from error


def _check_length(length: int, name: str, limits: ImageLimits) -> None:
    if not length:
        raise ImageError(f"{name}: is empty")
    if length > limits.max_bytes:
        raise ImageError(f"{name}: {length:,} bytes are more than the {limits.max_bytes:,} allowed")


def _check_size(image: PillowImage.Image, name: str, limits: ImageLimits) -> None:
    width, height = image.size
    if width * height > limits.max_pixels:
        raise ImageError(
            f"{name}: {width} x {height} pixels are more than the {limits.max_pixels:,} allowed"
        )
    if 0 in image.size:
        raise ImageError(f"{name}: has no pixels")


def _checked_array(array: Image) -> Image:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ImageError(
            f"array of shape {array.shape} and type {array.dtype}: must be (H, W, 3) uint8 RGB"
        )
    return array
