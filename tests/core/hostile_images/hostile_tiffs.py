"""TIFFs that are made to harm."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from samples import COLOURS, MANY, Sample, quarters
from writers import tiff


def tiffs() -> Iterator[Sample]:
    data = quarters().tobytes()
    for name, changes, refused in (
        ("plain", {}, None),
        ("huge", {256: (4, 1, 2**31 - 1), 257: (4, 1, 2**31 - 1)}, "pixels are more than"),
        ("no_height", {257: (4, 1, 0)}, ""),
        ("bomb", {256: (4, 1, 9381), 257: (4, 1, 9381)}, "pixels are more than"),
        ("beyond", {273: (4, 1, 2**31)}, ""),
        ("count", {273: (4, 2**31, 8)}, "tag 273 reaches beyond the file"),
        ("two_widths", {256: (3, 2, 48)}, "tag 256 has 2 values"),
        ("samples", {277: (4, 1, 2**31)}, ""),
        ("bits", {258: (3, 1, 4096)}, ""),
        ("rows", {278: (4, 1, 0)}, ""),
        ("strip_size", {279: (4, 1, 2**32 - 1)}, None),
        ("compression", {259: (3, 1, 9999)}, ""),
        ("webp", {259: (3, 1, 50001)}, "compressed with webp"),
        ("old_jpeg", {259: (3, 1, 6)}, "compressed with tiff_jpeg"),
    ):
        if refused is None:
            yield Sample(f"{name}.tif", tiff(data, changes), COLOURS)
        else:
            yield Sample(f"{name}.tif", tiff(data, changes), refused=refused)
    # Strips of different sizes at one place, which Pillow would decode one after the other.
    offsets = struct.pack("<I", 8) * 60_000
    repeated = {273: (4, 60_000, 8 + len(data)), 278: (4, 1, 31)}
    yield Sample("repeated.tif", tiff(data + offsets, repeated), refused="more than once")
    blob = bytes(1_000_000)
    tags = {60_000 + number: (1, 1_000_000, 8) for number in range(900)}
    yield Sample("shared_blob.tif", tiff(data + blob, tags), COLOURS)
    tags = {1000 + number: (1, 1, 0) for number in range(60_000)}
    yield Sample("tags.tif", tiff(data, tags), refused="1000 tags")
    numbers = {258: (3, 20 * MANY, 8)}
    yield Sample("numbers.tif", tiff(data + bytes(40 * MANY), numbers), refused="20,000,000 values")
    loop = {34665: (4, 1, 8 + len(data)), 34853: (4, 1, 8 + len(data))}
    endless = tiff(data, loop)
    yield Sample("directory_loop.tif", endless[:-4] + struct.pack("<I", 8 + len(data)), COLOURS)
    yield Sample("cut_tags.tif", tiff(data, {})[:-30], refused="cut short")
    yield Sample("far_tags.tif", b"II*\0\xff\xff\xff\x7f" + data, refused="cut short")
    big = b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"
    yield Sample("big_count.tif", big + b"\xff" * 8 + bytes(20 * MANY), refused="1000 tags")
    yield Sample("big_far.tif", big[:8] + b"\xff" * 8 + bytes(100), refused="cut short")
    bomb = zlib.compress(bytes(30_000_000), 9)
    for side, rows in ((16_000, 16_000), (16, 1_500_000)):
        tiles = {322: (4, 1, side), 323: (4, 1, rows), 324: (4, 1, 8), 325: (4, 1, len(bomb))}
        deflated = {**tiles, 258: (3, 3, 8 + len(bomb)), 259: (3, 1, 8), 256: (4, 1, 48_000)}
        content = tiff(bomb, deflated, without={273, 278, 279})
        yield Sample(f"tile_bomb_{side}.tif", content, refused="tiles have")
    tiles = {322: (4, 1, 2**30), 323: (4, 1, 2**30), 324: (4, 1, 8), 325: (4, 1, len(data))}
    for compression in (1, 5):
        changes = {**tiles, 259: (3, 1, compression)}
        content = tiff(data, changes, without={273, 278, 279})
        yield Sample(f"tiles_{compression}.tif", content)
