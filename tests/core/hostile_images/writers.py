"""Files that Pillow does not write."""

from __future__ import annotations

import struct
import zlib

import numpy as np


def png(rows: np.ndarray, width: int, depth: int, colours: int, interlace: int = 0) -> bytes:
    """A PNG of these (height, bytes) unfiltered rows."""
    filtered = np.pad(rows, ((0, 0), (1, 0))).tobytes()
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colours, 0, 0, interlace)
    return png_file((b"IHDR", header), (b"IDAT", zlib.compress(filtered, 1)), (b"IEND", b""))


def png_file(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def png_chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(png):
        length, name = struct.unpack_from(">I4s", png, at)
        found.append((name, png[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def interlaced(pixels: np.ndarray) -> bytes:
    """An Adam7 PNG."""
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2))
    data = b""
    for top, left, down, right in (*passes, (1, 0, 2, 1)):
        part = pixels[top::down, left::right]
        data += np.pad(part.reshape(len(part), -1), ((0, 0), (1, 0))).tobytes()
    header = struct.pack(">IIBBBBB", pixels.shape[1], len(pixels), 8, 2, 0, 0, 1)
    return png_file((b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b""))


def as_ycck(jpeg: bytes) -> bytes:
    """A CMYK JPEG whose channels are to be taken for luminance, two colours and black."""
    transform = jpeg.index(b"Adobe") + 11
    return jpeg[:transform] + b"\2" + jpeg[transform + 1 :]


def tiff(
    data: bytes, changes: dict[int, tuple[int, int, int]], *, without: set[int] | None = None
) -> bytes:
    """A TIFF of the picture's RGB pixels, whose tags (type, count, value) are changed."""
    bits = struct.pack("<3H", 8, 8, 8)
    tags = {
        256: (4, 1, 48),
        257: (4, 1, 32),
        258: (3, 3, 8 + len(data)),
        259: (3, 1, 1),
        262: (3, 1, 2),
        273: (4, 1, 8),
        277: (3, 1, 3),
        278: (4, 1, 32),
        279: (4, 1, 48 * 32 * 3),
    }
    tags = {tag: value for tag, value in {**tags, **changes}.items() if tag not in (without or ())}
    start = 8 + len(data) + len(bits)
    entries = b"".join(struct.pack("<HHII", tag, *value) for tag, value in sorted(tags.items()))
    header = b"II*\0" + struct.pack("<I", start)
    return header + data + bits + struct.pack("<H", len(tags)) + entries + bytes(4)


def big_endian_tiff(grey: np.ndarray) -> bytes:
    data = grey.astype(">u2").tobytes()
    values = {256: 48, 257: 32, 258: 16, 259: 1, 262: 1, 273: 8, 277: 1, 278: 32, 279: len(data)}
    tags = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in values.items())
    start = 8 + len(data)
    return b"MM\0*" + struct.pack(">I", start) + data + struct.pack(">H", 9) + tags + bytes(4)
