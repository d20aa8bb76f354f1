"""Where results go: checked before the work that makes them, and whole or not there after it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from facenet.errors import FacenetError, RequestError


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


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place and move it there; its folder is made.

    Raises `FacenetError` when it cannot be written; what was there before stays.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise FacenetError(f"{path}: cannot be written: {error.strerror}") from error
