"""Files: where results go is checked before the work that makes them, and they are whole or not
there after it; and the digest of one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    with whole_file(path) as partial:
        partial.write_bytes(content)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits; raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write a file that is moved to its place when the block ends well, and is gone when
    it does not; its folder is made.

    Raises `FacenetError` when it cannot be written; what was there before stays.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError):
            raise FacenetError(f"{path}: cannot be written: {error.strerror}") from error
        raise
