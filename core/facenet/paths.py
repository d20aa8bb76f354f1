"""Where results go, checked before the work that makes them."""

from __future__ import annotations

import os
from pathlib import Path

from facenet.errors import RequestError


def checked_output_file(path: Path) -> Path:
    """A path at which a file can be written; its folder is made when the file is.

    Raises `RequestError` when a folder has that name, or its own folder cannot be written.
    """
    if path.is_dir():
        raise RequestError(f"{path}: is a folder; name a file to write")
    checked_output_folder(path.parent)
    return path


def checked_output_folder(path: Path) -> Path:
    """A path at which a folder is, or can be made.

    Raises `RequestError` when a file has that name, or the nearest folder above it cannot be
    written.
    """
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not there.is_dir():
        raise RequestError(f"{there}: is a file; name a folder to write to")
    if not os.access(there, os.W_OK):
        raise RequestError(f"{there}: may not be written to; choose another output")
    return path
