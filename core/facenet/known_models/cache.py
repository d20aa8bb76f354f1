"""The folder in which fetched weights are kept; a file counts only while its hash is right."""

from __future__ import annotations

import os
from pathlib import Path

from facenet.errors import ModelError
from facenet.known_models.table import KnownModel, known_model
from facenet.paths import sha256_of


def cache_folder() -> Path:
    """`models` in `$FACENET_CACHE`, else in `$XDG_CACHE_HOME/facenet` or `~/.cache/facenet`."""
    own = os.environ.get("FACENET_CACHE")
    if own:
        return Path(own, "models")
    shared = os.environ.get("XDG_CACHE_HOME")
    return Path(shared or Path.home() / ".cache", "facenet", "models")


def cache_path(model: KnownModel) -> Path:
    """Where the model's file is, or will be."""
    return cache_folder() / model.file


def cached(model: KnownModel) -> Path | None:
    """The model's file, when it is here and as it was published."""
    path = cache_path(model)
    return path if path.is_file() and not difference(path, model) else None


def path_of(name: str) -> Path:
    """The file of the known weights of that name.

    Raises `RequestError` for a name that is not known, `ModelError` when the file is not here or
    not as it was published.
    """
    model = known_model(name)
    path = cache_path(model)
    problem = difference(path, model) if path.is_file() else "no such file"
    if problem:
        raise ModelError(f"{path}: {problem}; fetch it with: facenet models get {name}")
    return path


def difference(path: Path, model: KnownModel) -> str:
    """In what a file is not what was published; empty when it is."""
    size = path.stat().st_size
    if size != model.size:
        return f"has {size:,} bytes instead of {model.size:,}"
    sha256 = sha256_of(path)
    return "" if sha256 == model.sha256 else f"has SHA-256 {sha256} instead of {model.sha256}"
