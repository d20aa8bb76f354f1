"""TIFF's lists of tags: those of a TIFF file, and those of EXIF data, which are laid out alike."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from facenet.errors import ImageError

MAX_TAGS = 1000
"""Tags of a TIFF file; a camera's has about a hundred."""
MAX_VALUES = 65_536
"""Numbers in a tag, each of which becomes a Python object; they say where strips lie."""

_ORIENTATION = 274
_OF_ONE_VALUE = {256, 257, 259, 262, 266, _ORIENTATION, 277, 278, 284, 317, 322, 323}
_OF_MORE = {258, 273, 279, 292, 293, 320, 324, 325, 338, 339, 347, 529, 530, 531, 532}
"""What a decoder reads: layout, compression and colours of the pixels, and where they lie."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
"""Bytes of a value, by its type."""
_BYTES = {1, 2, 6, 7}
"""The types of which a tag's values are one object."""


class _Layout(NamedTuple):
    """`struct` formats: how many tags there are, one tag without its value, an address."""

    length: str
    tag: str
    address: str


class _Tag(NamedTuple):
    at: int
    number: int
    type: int
    values: int


def exif_orientation(exif: bytes) -> int:
    """The orientation that EXIF data state, 1 to 8; 1 where they are damaged or state none."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = _byte_order(exif)
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        for tag in _tags(exif, start, _layout(order)):
            if tag.number == _ORIENTATION:
                value = f"{order}I" if tag.type == 4 else f"{order}H"
                (orientation,) = struct.unpack_from(value, exif, tag.at + 8)
                return int(orientation) if 1 <= orientation <= 8 else 1
    except struct.error:
        pass
    return 1


def pare_tiff(encoded: bytes) -> bytes:
    """The TIFF file without the tags that its pixels do not need.

    Raises `ImageError` where those that they need are damaged, or costly to read.
    """
    order, big = _byte_order(encoded), b"+" in encoded[2:4]
    layout = _layout(order, big)
    pared, length = bytearray(encoded), 0
    try:
        (start,) = struct.unpack_from(layout.address, encoded, 8 if big else 4)
        for number, tag in enumerate(_tags(encoded, start, layout)):
            if number == MAX_TAGS:
                raise ImageError(f"a TIFF of more than {MAX_TAGS} tags")
            if tag.number not in _OF_ONE_VALUE | _OF_MORE:
                struct.pack_into(f"{order}H", pared, tag.at + 2, 0)  # of no type: is passed over
                continue
            length += _length(encoded, tag, layout)
            if length > len(encoded):
                raise ImageError(f"a TIFF whose tag {tag.number} reaches beyond the file")
            most = 1 if tag.number in _OF_ONE_VALUE else MAX_VALUES
            if tag.values > most and tag.type not in _BYTES:
                raise ImageError(f"a TIFF whose tag {tag.number} has {tag.values:,} values")
    except (struct.error, OverflowError) as error:
        raise ImageError("a TIFF whose tags are cut short") from error
    return bytes(pared)


def _length(encoded: bytes, tag: _Tag, layout: _Layout) -> int:
    """The bytes of a tag's values; more than the file's where they reach beyond it."""
    size = tag.values * _SIZES.get(tag.type, 0)
    at = tag.at + struct.calcsize(layout.tag)
    if size > struct.calcsize(layout.address):
        (at,) = struct.unpack_from(layout.address, encoded, at)
    return size if at + size <= len(encoded) else len(encoded) + 1


def _tags(encoded: bytes, start: int, layout: _Layout) -> Iterator[_Tag]:
    (length,) = struct.unpack_from(layout.length, encoded, start)
    at = start + struct.calcsize(layout.length)
    for _ in range(length):
        yield _Tag(at, *struct.unpack_from(layout.tag, encoded, at))
        at += struct.calcsize(layout.tag) + struct.calcsize(layout.address)
    struct.unpack_from(layout.address, encoded, at)  # where the next list begins


def _layout(order: str, big: bool = False) -> _Layout:
    if big:  # BigTIFF
        return _Layout(f"{order}Q", f"{order}HHQ", f"{order}Q")
    return _Layout(f"{order}H", f"{order}HHI", f"{order}I")


def _byte_order(encoded: bytes) -> str:
    return ">" if encoded.startswith(b"MM") else "<"
