"""What decoding a file would cost, judged by its header.

Within the default limits decoding takes no more than about a second of a processor's time, and
300 MB. Most files keep to that by their size alone; here are those that do not. Raises `ImageError`
without the file's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    SAMPLESPERPIXEL,
    STRIPOFFSETS,
    TILELENGTH,
    TILEOFFSETS,
    TILEWIDTH,
    TiffImageFile,
)
from PIL.WebPImagePlugin import WebPImageFile

from facenet.errors import ImageError
from facenet.types import ImageLimits

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

    from facenet.imaging.containers import Pared

MAX_SCANS = 100
"""Scans of a JPEG, each of which passes over all of it: a camera's has about ten."""
SCANS_OF_LARGEST = 18
"""Scans of a JPEG of the most pixels allowed, as many as of the usual progressive CMYK; of smaller
ones more."""
LARGEST_WITH_SCANS = 0.4
"""The most bytes of a JPEG with several scans, as a part of the most bytes allowed: they are read
bit by bit."""
BYTES_PER_PIXEL = 12.4
"""Memory that decoding may take, for each pixel allowed."""
UNPACKED_PER_PIXEL, PACKED = 4, 0.6
"""Bytes of pixels, packed and unpacked together: so many for each pixel allowed, which is four
channels of eight bits, and this part of the most bytes allowed."""
TILED = 1.5
"""Pixels of a TIFF's tiles, which reach beyond the image, for each pixel allowed."""
MAX_SLOW = 1_000_000
"""Bytes, and pixels, of what Pillow decodes in Python."""

_SLOW = {"ppm_plain": "a PPM of plain text", "bmp_rle": "a run-length coded BMP"}
_TIFF_COMPRESSIONS = {
    "raw",
    "group3",
    "group4",
    "jpeg",
    "packbits",
    "tiff_adobe_deflate",
    "tiff_ccitt",
    "tiff_deflate",
    "tiff_lzw",
}
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def check_cost(image: ImageFile, pared: Pared, limits: ImageLimits) -> None:
    """Raise `ImageError` for an image that takes a decoder much more time, or memory, than others.

    Limits above the default ones allow it more; below them every image is cheap enough.
    """
    limits = ImageLimits(
        max_pixels=max(limits.max_pixels, ImageLimits.max_pixels),
        max_bytes=max(limits.max_bytes, ImageLimits.max_bytes),
    )
    pixels, length = image.width * image.height, len(pared.encoded)
    slow = _SLOW.get(image.tile[0].codec_name) if image.tile else None
    if slow and max(length, pixels) > MAX_SLOW:
        raise ImageError(f"{slow} of more than {MAX_SLOW:,} bytes or pixels")
    if isinstance(image, JpegImageFile) and pared.scans > 1:
        _check_scans(pared.scans, pixels, limits)
        if length > (longest := int(limits.max_bytes * LARGEST_WITH_SCANS)):
            raise ImageError(f"a progressive JPEG of more than {longest:,} bytes")
        # Its coefficients, two bytes each, are kept from scan to scan.
        _check_memory((4 + 2 * image.layers) * pixels + length, limits)
    elif isinstance(image, WebPImageFile):
        # Its decoder keeps two images of four bytes per pixel and returns a third.
        _check_memory(12 * pixels + 2 * length, limits)
    elif isinstance(image, PngImageFile):
        depth, colours = pared.encoded[24:26]
        _check_unpacked(depth * _PNG_CHANNELS[colours] * pixels // 8 + length, limits)
    elif isinstance(image, TiffImageFile):
        _check_tiff(image, pared.encoded, limits)


def _check_tiff(image: TiffImageFile, encoded: bytes, limits: ImageLimits) -> None:
    pixels, tags = image.width * image.height, image.tag_v2
    compression = image.info["compression"]
    if compression not in _TIFF_COMPRESSIONS:
        raise ImageError(f"a TIFF compressed with {compression}")
    if compression == "jpeg":  # one in each strip, or tile
        strips = len(tags.get(STRIPOFFSETS) or tags.get(TILEOFFSETS) or (0,))
        _check_scans(encoded.count(b"\xff\xda") // strips, pixels, limits)
    if compression != "raw":
        bits = max(tags.get(BITSPERSAMPLE, (1,))) * tags.get(SAMPLESPERPIXEL, 1)
        _check_unpacked(bits * pixels // 8 + len(encoded), limits)
    width, height = tags.get(TILEWIDTH, 1), tags.get(TILELENGTH, 1)
    tiled = -(-image.width // width) * width * -(-image.height // height) * height
    if tiled > TILED * limits.max_pixels:
        raise ImageError(f"a TIFF whose tiles have {tiled:,} pixels")
    covered = 0
    for tile in image.tile:
        left, top, right, bottom = tile.extents or (0, 0, 0, 0)
        covered += (right - left) * (bottom - top)
    # Where channels are stored apart, each has tiles of its own.
    if covered > pixels * len(image.getbands()):
        raise ImageError("a TIFF whose strips hold its pixels more than once")


def _check_scans(scans: int, pixels: int, limits: ImageLimits) -> None:
    allowed = min(MAX_SCANS, SCANS_OF_LARGEST * limits.max_pixels // pixels)
    if scans > allowed:
        raise ImageError(f"a JPEG of {scans} scans, and of its size {allowed} are allowed")


def _check_unpacked(size: int, limits: ImageLimits) -> None:
    most = UNPACKED_PER_PIXEL * limits.max_pixels + int(PACKED * limits.max_bytes)
    if size > most:
        raise ImageError(f"{size:,} bytes to unpack are more than the {most:,} allowed")


def _check_memory(size: int, limits: ImageLimits) -> None:
    if size > (most := int(BYTES_PER_PIXEL * limits.max_pixels)):
        raise ImageError(f"would take {size:,} bytes of memory, more than the {most:,} allowed")
