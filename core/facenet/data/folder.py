"""A folder with one folder of images for each identity."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from facenet.errors import DataError, ImageError
from facenet.imaging import centre_square, files_of_identities, open_photo

if TYPE_CHECKING:
    from facenet.data.cache import CropCache
    from facenet.types import Image, Progress


class Sample(NamedTuple):
    """One image of one identity."""

    path: Path
    identity: str


@dataclass(frozen=True, slots=True)
class IdentityFolder:
    """What a folder holds: usable samples, and what was left out and why.

    `crops` is the cache of its images' pixels; None when they are decoded each time.
    """

    root: Path
    samples: tuple[Sample, ...]
    unreadable: tuple[str, ...] = ()
    too_few: tuple[str, ...] = ()
    crops: CropCache | None = None

    @property
    def identities(self) -> list[str]:
        """The names of the identities, sorted."""
        return sorted({sample.identity for sample in self.samples})

    def of(self, identities: set[str]) -> list[Sample]:
        """The samples of some identities."""
        return [sample for sample in self.samples if sample.identity in identities]

    def digest(self) -> str:
        """A SHA-256 of which images it has: their paths below it, and their sizes in bytes."""
        listed = hashlib.sha256()
        for sample in self.samples:
            path = sample.path.relative_to(self.root).as_posix()
            listed.update(f"{path}\0{sample.path.stat().st_size}\0".encode())
        return listed.hexdigest()


def scan_folder(
    root: Path, *, min_images: int = 1, progress: Progress | None = None
) -> IdentityFolder:
    """Read a folder of identities; every image is decoded once, so that bad ones are known now.

    An unreadable image is listed in `unreadable` and left out; an identity with fewer than
    `min_images` readable ones is listed in `too_few` and left out.
    Raises `DataError` when the folder is missing or holds no usable identity.
    """
    files = files_of_identities(root)
    problems = {}
    with ThreadPoolExecutor(2) as pool:
        found = zip(files, pool.map(_decoding_problem, files), strict=True)
        for done, (path, problem) in enumerate(found, start=1):
            if problem:
                problems[path] = problem
            if progress:
                progress(done, len(files))
    return identity_folder(root, files, problems, min_images)


def identity_folder(
    root: Path,
    files: Sequence[Path],
    problems: Mapping[Path, str],
    min_images: int,
    crops: CropCache | None = None,
) -> IdentityFolder:
    """What is usable of some files, given what is wrong with which; as `scan_folder`."""
    found = [Sample(path, path.relative_to(root).parts[0]) for path in files]
    readable = [sample for sample in found if sample.path not in problems]
    images = Counter(sample.identity for sample in readable)
    too_few = {sample.identity for sample in found if images[sample.identity] < min_images}
    samples = tuple(sample for sample in readable if sample.identity not in too_few)
    if not samples:
        raise DataError(
            f"{root}: no identity has {min_images} readable images; "
            f"{len(too_few)} have fewer, {len(problems)} images are unreadable"
        )
    unreadable = tuple(problems[path] for path in files if path in problems)
    return IdentityFolder(root, samples, unreadable, tuple(sorted(too_few)), crops)


def read_crop(path: Path, image_size: int) -> Image:
    """Decode an image to the (S, S, 3) uint8 crop that a network sees; raises `ImageError`."""
    return centre_square(open_photo(path), image_size)


def _decoding_problem(path: Path) -> str | None:
    try:
        open_photo(path).at(0)
    except ImageError as error:
        return str(error)
    return None
