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
_IMAGE_SUFFIXES = frozenset(suffix for kind in get_args(ImageFormat) for suffix in _SUFFIXES[kind])
ALIGNMENT_FILE, CONTACT_SHEET = "alignment.json", "contact_sheet.jpg"
"""What stands at the top of a folder of aligned faces; the sheet is a picture of it, no photo."""


def image_files(folder: Path) -> list[Path]:
    """All image files below a folder, by their ending, in order of path.

    Raises `DataError` when there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in _IMAGE_SUFFIXES
        and not path.name.startswith(".")
        and not path.is_dir()
        and not _is_contact_sheet(path)
    )


def files_of_identities(root: Path) -> list[Path]:
    """All image files of a folder with one folder for each identity, in order of path.

    Images directly in the folder are no one's. Raises `DataError` when there is no such folder, or
    no image of anyone.
    """
    found = image_files(root)
    files = [path for path in found if path.parent != root]
    if not files:
        problem = "all images lie directly in it" if found else "no images in it"
        raise DataError(f"{root}: {problem}; expected {root}/<identity>/<image>.jpg")
    return files


def _is_contact_sheet(path: Path) -> bool:
    return path.name == CONTACT_SHEET and path.with_name(ALIGNMENT_FILE).is_file()
