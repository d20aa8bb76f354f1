"""Lists of pairs in the format of Labeled Faces in the Wild (pairs.txt, pairsDevTrain.txt)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facenet.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class PairsFile:
    """P pairs of `images`, each a (name, number); `first` and `second` are (P,) places in it.

    `fold` is (P,) int where the file has folds, else None.
    """

    path: Path
    images: tuple[tuple[str, int], ...]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    fold: NDArray[np.int64] | None

    def files_in(self, folder: Path) -> list[Path]:
        """The file of each image, `<folder>/<name>/<name>_<number with 4 digits>.*`.

        Raises `DataError` that counts the images that are not there and lists the first of them.
        """
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder")
        stems = [f"{name}/{name}_{number:04d}" for name, number in self.images]
        there = {
            path.relative_to(folder).with_suffix("").as_posix(): path
            for path in folder.glob("*/*_*")
            if path.is_file()
        }
        missing = [stem for stem in stems if stem not in there]
        if missing:
            shown = "\n".join(f"  {stem}" for stem in missing[:10])
            more = f"\n  and {len(missing) - 10} more" if len(missing) > 10 else ""
            raise DataError(
                f"{folder}: {len(missing)} of the {len(stems)} images of {self.path} are not in "
                f"it:\n{shown}{more}"
            )
        return [there[stem] for stem in stems]


def read_pairs_file(path: Path) -> PairsFile:
    """Read a list of pairs.

    The first line is the number of pairs of each kind, or the number of folds and that of pairs of
    each kind in a fold. Every other line is a pair: `name i j` of one person, or `name1 i name2 j`
    of two; in a fold those of one person come first. Raises `DataError` naming the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise DataError(f"{path}: not a list of pairs, which is text") from None
    while lines and not lines[-1].strip():
        lines.pop()
    folds, per_kind = _header(path, lines)
    places: dict[tuple[str, int], int] = {}
    pairs = []
    for number, line in enumerate(lines[1:], start=2):
        first, second = _pair(f"{path}:{number}", line)
        pairs.append([places.setdefault(image, len(places)) for image in (first, second)])
    if len(pairs) != 2 * folds * per_kind:
        raise DataError(
            f"{path}:1: announces {folds} x {per_kind} pairs of each kind, "
            f"{2 * folds * per_kind} in all, but {len(pairs)} follow"
        )
    first, second = np.array(pairs, np.int64).T
    fold = np.arange(len(pairs)) // (2 * per_kind) if folds > 1 else None
    return PairsFile(path, tuple(places), first, second, fold)


def _header(path: Path, lines: list[str]) -> tuple[int, int]:
    numbers = lines[0].split() if lines else []
    if not numbers or len(numbers) > 2 or not all(n.isdecimal() and int(n) for n in numbers):
        raise DataError(
            f"{path}:1: must be the number of pairs of each kind, or `folds pairs`, as in LFW's "
            "pairs.txt"
        )
    folds, per_kind = (1, *map(int, numbers)) if len(numbers) == 1 else map(int, numbers)
    return folds, per_kind


def _pair(where: str, line: str) -> tuple[tuple[str, int], tuple[str, int]]:
    fields = line.split("\t") if "\t" in line else line.split()
    if len(fields) == 3:
        fields = [fields[0], fields[1], fields[0], fields[2]]
    if len(fields) != 4 or not (fields[1].isdecimal() and fields[3].isdecimal()):
        raise DataError(f"{where}: must be `name i j` or `name1 i name2 j`, got {line[:60]!r}")
    return (fields[0], int(fields[1])), (fields[2], int(fields[3]))
