"""Bringing known weights into the cache, from their address or from a mirror."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from facenet.errors import FacenetError, RequestError
from facenet.known_models.cache import cache_path, cached, difference
from facenet.known_models.download import download
from facenet.known_models.table import KnownModel
from facenet.paths import checked_output_folder
from facenet.types import Progress


def fetch(
    model: KnownModel,
    *,
    mirror: str | None = None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """The model's file in the cache, fetched first when it is not there as it was published.

    `mirror` is where to take it from instead of its address: a folder with the file, or an http(s)
    address below which it stands. `progress` is called with (done, total) in bytes. The file
    appears under its name only when its hash is right; a download that was interrupted goes on
    with the next call.

    Raises `RequestError` when the mirror cannot be one, `FacenetError` when the file cannot be had
    or is not what was published.
    """
    path = cache_path(model)
    checked_output_folder(path.parent).mkdir(parents=True, exist_ok=True)
    with _alone(path):
        if cached(model) is None:
            partial = path.with_name(f"{path.name}.partial")
            source = _source(model, mirror)
            if isinstance(source, Path):
                shutil.copyfile(source, partial)
                progress(model.size, model.size)
            else:
                _download(model, source, partial, progress)
            problem = difference(partial, model)
            if problem:
                partial.unlink()
                raise FacenetError(f"{source}: {problem}; it is thrown away")
            os.replace(partial, path)
    return path


def _source(model: KnownModel, mirror: str | None) -> str | Path:
    """The address or the local file to take the model from."""
    if mirror is None:
        return model.address
    scheme, separator, _ = mirror.partition("://")
    if separator:
        if scheme.lower() not in ("http", "https"):
            raise RequestError(
                f"{mirror}: cannot be a mirror; name a folder, or an http or https address"
            )
        return f"{mirror.rstrip('/')}/{quote(model.file)}"
    there = Path(mirror)
    for path in (there, there / model.file, there / model.name / model.file):
        if path.is_file():
            return path
    raise RequestError(f"{mirror}: no folder with the file {model.file}")


def _download(model: KnownModel, address: str, partial: Path, progress: Progress) -> None:
    try:
        download(address, partial, model.size, progress)
    except FacenetError as error:
        raise FacenetError(
            f"{error}; a file that was downloaded elsewhere is brought in with: "
            f"facenet models get {model.name} --mirror FOLDER"
        ) from None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process fetches that file; the system drops the lock of one that died."""
    with path.with_name(f".{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
