"""The one way in which pixels enter the program."""

from __future__ import annotations

import ctypes
import io
import logging
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as PillowImage
from PIL import _imaging
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from facenet.errors import ImageError
from facenet.imaging.colours import (
    COLUMNS_REVERSED,
    ROWS_REVERSED,
    TURNED,
    strips,
    strips_of_webp,
    upright_rgb,
)
from facenet.imaging.containers import format_of, pare
from facenet.imaging.costs import check_cost
from facenet.imaging.photo import Photo, View
from facenet.imaging.tiff import exif_orientation
from facenet.types import ImageLimits

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

    from facenet.types import Image, ImageFormat

    ImageSource = str | os.PathLike[str] | bytes | PillowImage.Image | Image | Photo
else:
    ImageSource = Any

# Pillow raises what libtiff and its own plugins find wrong with a file; they print it as well.
logging.getLogger("PIL").addHandler(logging.NullHandler())
with suppress(AttributeError):  # a Pillow that was not built with libtiff as wheels are
    ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""A path keeps one slash of two; a drive of Windows has one letter."""
_DECODERS: dict[ImageFormat, type[ImageFile]] = {
    "BMP": BmpImageFile,
    "GIF": GifImageFile,
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "PPM": PpmImageFile,
    "TIFF": TiffImageFile,
    "WEBP": WebPImageFile,
}


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
    with _decoding(name):
        if isinstance(source, np.ndarray):
            return _decoded(name, _checked_array(source))
        if isinstance(source, PillowImage.Image):
            return _open_pillow(source, name, limits)
        return _open_encoded(source, name, limits)


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


def _open_pillow(image: PillowImage.Image, name: str, limits: ImageLimits) -> Photo:
    _check_size(image.size, limits)
    image.load()  # which makes a TIFF upright
    orientation = exif_orientation(image.info.get("exif", b""))
    return _decoded(name, upright_rgb(strips(image), image.size, orientation))


def _open_encoded(source: str | os.PathLike[str] | bytes, name: str, limits: ImageLimits) -> Photo:
    encoded = source if isinstance(source, bytes) else _read(source, limits)
    _check_length(len(encoded), limits)
    kind = format_of(encoded)
    known = ", ".join(limits.formats)
    if kind is None:
        raise ImageError(f"not an image in a known format ({known})")
    if kind not in limits.formats:
        raise ImageError(f"is a {kind}, and only {known} are allowed")
    pared = pare(encoded, kind)
    del encoded  # up to 50 MB that the decoder does not need
    _check_size(pared.canvas, limits)
    image = _opened(pared.encoded, kind)
    _check_size(image.size, limits)
    check_cost(image, pared, limits)
    orientation = exif_orientation(pared.exif)
    if kind == "JPEG":
        size = image.size[::-1] if orientation in TURNED else image.size
        return Photo(name, size, _JpegDecoder(image, pared.encoded, orientation, name), None)
    with image:
        parts = strips_of_webp(image) if isinstance(image, WebPImageFile) else strips(image)
        return _decoded(name, upright_rgb(parts, image.size, orientation))


def _opened(encoded: bytes, kind: ImageFormat) -> ImageFile:
    # Not by `PIL.Image.open`, which warns of sizes that are refused here.
    try:
        return _DECODERS[kind](io.BytesIO(encoded))
    except SyntaxError as error:  # Pillow's way to say that a header is damaged
        raise ImageError(f"a {kind} whose header is damaged: {error}") from error


def _decoded(name: str, pixels: Image) -> Photo:
    view = View(pixels, 1, 1)
    return Photo(name, (pixels.shape[1], pixels.shape[0]), lambda _scale: view, view)


class _JpegDecoder:
    """Decodes a JPEG at the scale that is asked for; the first time as it was opened already."""

    def __init__(self, opened: ImageFile, encoded: bytes, orientation: int, name: str) -> None:
        self._opened: ImageFile | None = opened
        self._encoded = encoded
        self._orientation = orientation
        self._name = name

    def __call__(self, scale: float) -> View:
        opened, self._opened = self._opened, None
        with _decoding(self._name), opened or _opened(self._encoded, "JPEG") as image:
            return _decode_jpeg(image, self._orientation, scale)


def _decode_jpeg(image: ImageFile, orientation: int, scale: float) -> View:
    width, height = image.size
    divisor = next(d for d in (8, 4, 2, 1) if d * scale <= 1 or d == 1)
    # A side that is not divided evenly ends with a part of a pixel, and must not begin with it.
    while (orientation in COLUMNS_REVERSED and width % divisor) or (
        orientation in ROWS_REVERSED and height % divisor
    ):
        divisor //= 2
    drafted = image.draft(None, (max(1, width // divisor), max(1, height // divisor)))
    reduced = drafted[1][2] / width if drafted else 1
    return View(upright_rgb(strips(image), image.size, orientation), reduced, reduced)


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error.__cause__
    except Exception as error:
        # Pillow's decoders raise whatever a damaged file leads them to.
        raise ImageError(f"{name}: cannot be decoded: {error}") from error


def _read(path: str | os.PathLike[str], limits: ImageLimits) -> bytes:
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise ImageError("is not a file")
        _check_length(found.st_size, limits)
        with open(path, "rb") as file:
            return file.read(limits.max_bytes + 1)  # it may have grown
    except FileNotFoundError:
        if _ADDRESS.match(os.fspath(path)):
            raise ImageError(
                "is an address, and facenet fetches none; give a file or bytes"
            ) from None
        raise ImageError("no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = error.strerror if isinstance(error, OSError) else error
        raise ImageError(f"cannot be read: {reason}") from error


def _check_length(length: int, limits: ImageLimits) -> None:
    if not length:
        raise ImageError("is empty")
    if length > limits.max_bytes:
        raise ImageError(f"{length:,} bytes are more than the {limits.max_bytes:,} allowed")


def _check_size(size: tuple[int, int], limits: ImageLimits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise ImageError(
            f"{width} x {height} pixels are more than the {limits.max_pixels:,} allowed"
        )
    if 0 in size:
        raise ImageError("has no pixels")


def _checked_array(array: Image) -> Image:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ImageError(
            f"array of shape {array.shape} and type {array.dtype}: must be (H, W, 3) uint8 RGB"
        )
    return array
