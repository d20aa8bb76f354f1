"""Decoded face crops in one memory-mapped file, made once and shared by all worker processes.

An entry is a folder ``<home>/<root, size, type>/<digest>/`` with ``pixels.npy``, (N, S, S, 3), and
``index.json``. The digest is that of everything the pixels depend on, so that an entry can be
missing or damaged but never out of date. One entry is kept for each root, size and type.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from facenet.config.train import PixelType
from facenet.data.cache_build import INDEX, PIXELS, Index, build_entry
from facenet.errors import DataError
from facenet.imaging import files_of_identities
from facenet.paths import sha256_of
from facenet.types import Progress

VERSION = 2
"""Raised when `read_crop` or the layout of an entry changes."""
ABANDONED_AFTER = 3600.0
"""Seconds without a write after which a half-built entry is taken for that of a dead process."""
_CHUNK = 256


class CropCache:
    """The crops of all images below a folder, and which of them cannot be decoded and why."""

    def __init__(self, root: Path, entry: Path, index: Index, pixels: NDArray[Any]) -> None:
        self.root = root
        self.entry = entry
        self.image_size = index.image_size
        self.precision = index.precision
        self.paths = [root / name for name in index.files]
        self.problems = {
            root / name: f"{root / name}: {why}" for name, why in index.problems.items()
        }
        self._pixels = pixels
        self._rows = {path: row for row, path in enumerate(self.paths)}

    def rows(self, paths: Sequence[Path]) -> NDArray[np.int64]:
        """Where the crops of some images stand."""
        try:
            return np.array([self._rows[path] for path in paths], dtype=np.int64)
        except KeyError as missing:
            raise DataError(f"{missing.args[0]}: not in the cache of {self.root}") from None

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """(B, S, S, 3) of the cache's type: uint8 in 0..255, float16 or float32 in 0..1."""
        return self._pixels[rows]

    def __getstate__(self) -> dict[str, Any]:
        # A worker process maps the file itself: pickling the map would copy all of it.
        return {key: value for key, value in self.__dict__.items() if key != "_pixels"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._pixels = _map_pixels(self.entry)


def open_cache(
    root: Path,
    home: Path,
    *,
    image_size: int,
    precision: PixelType,
    progress: Progress | None = None,
) -> CropCache:
    """The cache of a folder of identities, built below `home` when there is no valid one.

    Reads every image file to know its content, but decodes none when there is a valid entry.
    Raises `DataError` when the folder holds no images, or the cache cannot be written.
    """
    files = files_of_identities(root)
    names = [path.relative_to(root).as_posix() for path in files]
    digest = _digest(root, names, image_size, precision, progress)
    where = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:12]
    entry = home / f"{root.resolve().name}-{where}-{image_size}-{precision}" / digest
    cache = _open_entry(root, entry, names)
    if cache is None:
        try:
            shutil.rmtree(entry, ignore_errors=True)
            build_entry(entry, root, files, image_size, precision, progress)
            _remove_others(entry)
        except OSError as error:
            raise DataError(
                f"{home}: the image cache cannot be written: {error.strerror or error}; it takes "
                f"{_megabytes(len(files), image_size, precision)} MB, or set "
                "data.cache_dataset=false"
            ) from error
        cache = _open_entry(root, entry, names)
    if cache is None:
        raise DataError(f"{entry}: changed by another process while it was opened; start again")
    return cache


def _digest(
    root: Path, names: list[str], image_size: int, precision: PixelType, progress: Progress | None
) -> str:
    """SHA-256 of all that the pixels depend on: the files, the crop and the decoder."""
    whole = hashlib.sha256(json.dumps([VERSION, PIL.__version__, image_size, precision]).encode())
    with ThreadPoolExecutor() as pool:
        contents = pool.map(_file_digest, (root / name for name in names))
        for done, (name, content) in enumerate(zip(names, contents, strict=True), start=1):
            whole.update(json.dumps([name, content]).encode())
            if progress:
                progress(done, len(names))
    return whole.hexdigest()


def _file_digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _open_entry(root: Path, entry: Path, names: list[str]) -> CropCache | None:
    """An entry if it is there and undamaged."""
    try:
        index = Index.load(entry / INDEX)
        pixels = _map_pixels(entry)
    except (OSError, TypeError, ValueError, EOFError):
        return None
    if index.files != names or len(pixels) != len(names) or _checksum(pixels) != index.checksum:
        return None
    return CropCache(root, entry, index, pixels)


def _map_pixels(entry: Path) -> NDArray[Any]:
    pixels: NDArray[Any] = np.load(entry / PIXELS, mmap_mode="r")
    return pixels


def _checksum(pixels: NDArray[Any]) -> int:
    checksum = 0
    for start in range(0, len(pixels), _CHUNK):
        checksum = zlib.crc32(pixels[start : start + _CHUNK].data, checksum)
    return checksum


def _remove_others(entry: Path) -> None:
    """Remove what the entry replaces, and what killed processes left; not what is being built."""
    for other in entry.parent.iterdir():
        building = other.name.startswith(".")
        if other != entry and not (building and _seconds_since_write(other) < ABANDONED_AFTER):
            shutil.rmtree(other, ignore_errors=True)


def _seconds_since_write(folder: Path) -> float:
    try:
        return time.time() - max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:
        return 0.0


def _megabytes(images: int, image_size: int, precision: PixelType) -> int:
    return 1 + images * image_size**2 * 3 * np.dtype(precision).itemsize // 1_000_000
