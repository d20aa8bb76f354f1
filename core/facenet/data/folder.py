"""A folder with one folder of images for each identity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from facenet.errors import DataError, ImageError
from facenet.imaging import decode, image_files

Progress = Callable[[int, int], None]
"""Told how many are done, and of how many."""


class Sample(NamedTuple):
    """One image of one identity."""

    path: Path
    identity: str


@dataclass(frozen=True, slots=True)
class IdentityFolder:
    """What a folder holds: usable samples, and what was left out and why."""

    root: Path
    samples: tuple[Sample, ...]
    unreadable: tuple[str, ...] = ()
    too_few: tuple[str, ...] = ()

    @property
    def identities(self) -> list[str]:
        """The names of the identities, sorted."""
        return sorted({sample.identity for sample in self.samples})

    def of(self, identities: set[str]) -> list[Sample]:
        """The samples of some identities."""
        return [sample for sample in self.samples if sample.identity in identities]


def scan_folder(
    root: Path, *, min_images: int = 1, workers: int = 2, progress: Progress | None = None
) -> IdentityFolder:
    """Read a folder of identities; every image is decoded once, so that bad ones are known now.

    An unreadable image is listed in `unreadable` and left out; an identity with fewer than
    `min_images` readable ones is listed in `too_few` and left out.
    Raises `DataError` when the folder is missing or holds no usable identity.
    """
    files = [path for path in image_files(root) if path.parent != root]
    found = [Sample(path, path.relative_to(root).parts[0]) for path in files]
    if not found:
        raise DataError(f"{root}: no images in it; expected {root}/<identity>/<image>.jpg")
    unreadable = []
    readable = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for done, (sample, problem) in enumerate(
            zip(found, pool.map(_decoding_problem, files), strict=True), start=1
        ):
            if problem:
                unreadable.append(problem)
            else:
                readable.append(sample)
            if progress:
                progress(done, len(found))
    images = Counter(sample.identity for sample in readable)
    too_few = tuple(sorted({s.identity for s in found if images[s.identity] < min_images}))
    samples = tuple(sample for sample in readable if sample.identity not in set(too_few))
    if not samples:
        raise DataError(
            f"{root}: no identity has {min_images} readable images; "
            f"{len(too_few)} have fewer, {len(unreadable)} images are unreadable"
        )
    return IdentityFolder(root, samples, tuple(unreadable), too_few)


def _decoding_problem(path: Path) -> str | None:
    try:
        decode(path, at_least=1)
    except ImageError as error:
        return str(error)
    return None
