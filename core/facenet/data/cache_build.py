"""Writing an entry of the image cache: beside its place, then renamed whole."""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from facenet.config.train import PixelType
from facenet.data.folder import read_crop
from facenet.data.precision import as_type
from facenet.errors import ImageError
from facenet.types import Progress

INDEX, PIXELS = "index.json", "pixels.npy"
_AHEAD = 256
"""How many images are decoded before the first of them is written."""


@dataclass(frozen=True, slots=True)
class Index:
    """What stands beside the pixels.

    `files` are paths below the root, in the order of the rows; `problems` says why some of them
    cannot be decoded: their rows are black. `checksum` is the pixels' CRC-32.
    """

    image_size: int
    precision: PixelType
    files: list[str]
    problems: dict[str, str]
    checksum: int

    def save(self, path: Path) -> None:
        """Write it as JSON; ASCII alone, for names of files need not be valid Unicode."""
        path.write_text(json.dumps(asdict(self)), encoding="ascii")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises OSError, TypeError or ValueError when it is missing or damaged."""
        return cls(**json.loads(path.read_text(encoding="ascii")))


def build_entry(
    entry: Path,
    root: Path,
    files: list[Path],
    image_size: int,
    precision: PixelType,
    progress: Progress | None,
) -> None:
    """Decode all files into the new folder `entry`; what another process made there is kept.

    Raises OSError when it cannot be written; then nothing is left of it.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=".building-", dir=entry.parent, ignore_cleanup_errors=True
    ) as scratch:
        made = Path(scratch) / entry.name
        made.mkdir()
        problems, checksum = _write_pixels(made / PIXELS, files, image_size, precision, progress)
        index = Index(
            image_size=image_size,
            precision=precision,
            files=[path.relative_to(root).as_posix() for path in files],
            problems={path.relative_to(root).as_posix(): why for path, why in problems.items()},
            checksum=checksum,
        )
        index.save(made / INDEX)
        try:
            made.rename(entry)
        except OSError:
            if not entry.is_dir():
                raise


def _write_pixels(
    target: Path,
    files: list[Path],
    image_size: int,
    precision: PixelType,
    progress: Progress | None,
) -> tuple[dict[Path, str], int]:
    """What was wrong with which file, and the checksum.

    Written as a file, not through a map: on a full disk that is an error, and not a signal that
    kills the process.
    """
    shape = (image_size, image_size, 3)
    problems: dict[Path, str] = {}
    checksum = 0
    with target.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file,
            {
                "descr": np.dtype(precision).str,
                "fortran_order": False,
                "shape": (len(files), *shape),
            },
        )
        crops = _crops(files, image_size)
        for done, (path, crop) in enumerate(zip(files, crops, strict=True), start=1):
            if isinstance(crop, str):
                problems[path] = crop
                crop = np.zeros(shape, np.uint8)
            row = as_type(torch.tensor(crop), precision).numpy().tobytes()
            checksum = zlib.crc32(row, checksum)
            file.write(row)
            if progress:
                progress(done, len(files))
    return problems, checksum


def _crops(files: list[Path], image_size: int) -> Iterator[NDArray[np.uint8] | str]:
    """Per file its crop, or why there is none."""

    def crop(path: Path) -> NDArray[np.uint8] | str:
        try:
            return read_crop(path, image_size)
        except ImageError as error:
            return str(error).removeprefix(f"{path}: ")

    waiting = iter(files)
    with ThreadPoolExecutor() as pool:
        while some := list(islice(waiting, _AHEAD)):
            yield from pool.map(crop, some)
