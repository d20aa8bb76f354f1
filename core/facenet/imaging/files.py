"""Which files of a folder are images."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from facenet.errors import DataError
from facenet.types import ImageFormat

_SUFFIXES: dict[ImageFormat, tuple[str, ...]] = {
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "PPM": (".pgm", ".ppm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
IMAGE_SUFFIXES = frozenset(suffix for kind in get_args(ImageFormat) for suffix in _SUFFIXES[kind])


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
