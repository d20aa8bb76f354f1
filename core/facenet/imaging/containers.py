"""What of a file its pixels need; the rest never reaches a decoder.

Comments, profiles, previews and further frames cost time and memory that whoever makes the file can
raise at will. Nothing here decodes a pixel. Raises `ImageError` without the file's name.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from facenet.errors import ImageError
from facenet.imaging.tiff import pare_tiff

if TYPE_CHECKING:
    from facenet.types import ImageFormat

MAX_PARTS = 50_000
"""Segments, chunks or blocks of a file. Photos have a few hundred at most."""
MAX_TABLES = 256 * 1024
"""Bytes of a JPEG's tables before its first scan. Cameras write less than a thousand."""

_FORMAT = re.compile(
    rb"(?P<JPEG>\xff\xd8\xff)|(?P<PNG>\x89PNG\r\n\x1a\n)|(?P<GIF>GIF8[79]a)|(?P<BMP>BM)"
    rb"|(?P<TIFF>II[*+]\0|MM\0[*+])|(?P<WEBP>RIFF....WEBP)|(?P<PPM>P[1-6]\s)",
    re.DOTALL,
)
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
"""A JPEG marker that has a length, wherever garbage may have moved it."""
_SCAN, _END, _EXIF = 0xDA, 0xD9, 0xE1
_OTHER_CODINGS = {0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_TABLES = {0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, 0xE0, 0xEE}
"""Frame, Huffman, quantisation, restarts; JFIF and Adobe, which say how colours are coded."""
_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_NUMBER = rb"(?:\s|#[^\r\n]*[\r\n])++(\d{1,9})"
_PPM_HEADER = re.compile(rb"P(?:[14]" + 2 * _NUMBER + rb"|([2356])" + 3 * _NUMBER + rb")\s")


class Pared(NamedTuple):
    """What a decoder gets of a file."""

    encoded: bytes
    exif: bytes = b""
    scans: int = 1
    """Of a JPEG: how often a decoder passes over it."""
    canvas: tuple[int, int] = (1, 1)
    """Of a GIF: width and height of what a decoder begins with before it states a size."""


def format_of(encoded: bytes) -> ImageFormat | None:
    """The format that a file's first bytes state; None: none of those that are read."""
    found = _FORMAT.match(encoded)
    return found.lastgroup if found else None  # type: ignore[return-value]


def pare(encoded: bytes, kind: ImageFormat) -> Pared:
    """Leave out what the pixels of a file do not need; refuse what no honest file contains."""
    return _PARERS[kind](encoded) if kind in _PARERS else Pared(encoded)


def _pare_jpeg(encoded: bytes) -> Pared:
    tables, exif, scans, first_scan = [b"\xff\xd8"], b"", 0, 0
    for marker, start, end in _segments(encoded):
        if marker == _SCAN:
            scans += 1
            first_scan = first_scan or start
        elif not scans and marker in _OTHER_CODINGS:
            raise ImageError("a JPEG that is neither baseline nor progressive")
        elif not scans and marker in _TABLES:
            tables.append(encoded[start:end])
        elif not exif and marker == _EXIF and encoded[start + 4 : start + 10] == b"Exif\0\0":
            exif = encoded[start + 10 : end]
    if not scans:
        raise ImageError("a JPEG without a picture")
    header = b"".join(tables)
    if len(header) > MAX_TABLES:
        raise ImageError(f"a JPEG of {len(header):,} bytes before its picture")
    return Pared(header + encoded[first_scan:], exif, scans)


def _segments(encoded: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of the segments of a JPEG, up to the end of its first picture."""
    position = 2
    for _ in range(MAX_PARTS):
        found = _MARKER.search(encoded, position)
        if not found or encoded[found.end() - 1] == _END:
            return
        position = found.end() + int.from_bytes(encoded[found.end() : found.end() + 2])
        yield encoded[found.end() - 1], found.start(), position
    raise ImageError(f"a JPEG of more than {MAX_PARTS:,} segments")


def _pare_png(encoded: bytes) -> Pared:
    kept, exif, position = [encoded[:8]], b"", 8
    for _ in range(MAX_PARTS):
        if position + 8 > len(encoded):
            break  # cut short: the decoder tells whether pixels are missing
        length, name = struct.unpack_from(">I4s", encoded, position)
        if (name == b"IHDR") != (position == 8):
            raise ImageError("a PNG whose header is not where it must be")
        if name in _CHUNKS:
            kept.append(encoded[position : position + length + 12])
        elif name == b"eXIf":
            exif = encoded[position + 8 : position + 8 + length]
        if name == b"IEND":
            break
        position += length + 12
    else:
        raise ImageError(f"a PNG of more than {MAX_PARTS:,} chunks")
    return Pared(b"".join(kept), exif)


def _pare_webp(encoded: bytes) -> Pared:
    position, exif = 12, b""
    for _ in range(MAX_PARTS):
        if position + 8 > len(encoded):
            return Pared(encoded, exif)
        name, length = struct.unpack_from("<4sI", encoded, position)
        if name == b"EXIF":
            exif = encoded[position + 8 : position + 8 + length].removeprefix(b"Exif\0\0")
        position += 8 + length + length % 2
    raise ImageError(f"a WEBP of more than {MAX_PARTS:,} chunks")


def _pare_gif(encoded: bytes) -> Pared:
    width, height, flags = struct.unpack_from("<HHB", encoded, 6)
    position, in_extension = 13 + ((6 << (flags & 7)) if flags & 0x80 else 0), False
    for _ in range(MAX_PARTS):
        lead = encoded[position : position + 1]
        if lead == b"," and not in_extension:
            left, top, right, bottom = struct.unpack_from("<4H", encoded, position + 1)
            return Pared(encoded, canvas=(max(width, left + right), max(height, top + bottom)))
        if not lead:
            raise ImageError("a GIF without a picture")
        if in_extension:
            position += 1 + lead[0]
            in_extension = lead != b"\0"
        else:
            in_extension = lead == b"!"
            position += 2 if in_extension else 1
    raise ImageError(f"a GIF of more than {MAX_PARTS:,} blocks before its picture")


def _pare_tiff(encoded: bytes) -> Pared:
    return Pared(pare_tiff(encoded))  # Pillow applies its orientation


def _pare_ppm(encoded: bytes) -> Pared:
    """Samples whose maximum is not 255 become bytes here, which Pillow would make one by one."""
    header = _PPM_HEADER.match(encoded[:4096])
    if not header:
        raise ImageError("a PPM whose header is damaged")
    kind, *numbers = header.groups()[2:]
    if kind not in (b"5", b"6"):
        return Pared(encoded)
    width, height, maximum = map(int, numbers)
    if not 0 < maximum < 65536:
        raise ImageError(f"a PPM whose maximum is {maximum}: must be 1 to 65535")
    if maximum == 255:
        return Pared(encoded)
    sample = np.dtype("u1" if maximum < 256 else ">u2")
    count = (len(encoded) - header.end()) // sample.itemsize
    samples = np.frombuffer(encoded, sample, count, header.end())
    to_byte = np.minimum(np.arange(65536) * 255 / maximum + 0.5, 255).astype(np.uint8)
    parts = np.array_split(samples, 1 + count // 2**20)
    first = b"P%s %d %d 255\n" % (kind, width, height)
    return Pared(first + b"".join(to_byte[part].tobytes() for part in parts))


_PARERS: dict[ImageFormat, Callable[[bytes], Pared]] = {
    "GIF": _pare_gif,
    "JPEG": _pare_jpeg,
    "PNG": _pare_png,
    "PPM": _pare_ppm,
    "TIFF": _pare_tiff,
    "WEBP": _pare_webp,
}
