"""Every figure for each group of people or images: who is recognised worse?"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facenet.errors import DataError
from facenet.evaluation.estimate import Estimate
from facenet.evaluation.protocols import Embedded, IdentificationResult, VerificationResult

if TYPE_CHECKING:
    from facenet.types import Progress

KEYS = ("identity", "image")


@dataclass(frozen=True, slots=True)
class Slice:
    """One group: the images whose attribute `column` is `group`.

    A pair belongs to it when both of its images do. `figures` is empty where the group is too small
    to be measured; `reason` then says why.
    """

    column: str
    group: str
    images: int
    people: int
    figures: dict[str, Estimate]
    reason: str = ""


def read_attributes(path: Path, data: Embedded) -> dict[str, list[str]]:
    """From each attribute column of a CSV file to the attribute of each image, "" where none.

    The file has a heading; its first column is `identity` (a person's name) or `image` (a file's
    name below its person's folder, `person/file.jpg`, with or without the ending). Raises
    `DataError` for a file of another form, or one that names no image of the data.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file: {error}") from error
    if not rows or rows[0][0] not in KEYS or len(rows[0]) < 2:
        raise DataError(
            f"{path}:1: must be a heading `identity,...` or `image,...` with an attribute in every "
            "further column"
        )
    key, *columns = rows[0]
    table: dict[str, list[str]] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(rows[0]):
            raise DataError(f"{path}:{number}: has {len(row)} fields, the heading {len(rows[0])}")
        table[row[0] if key == "identity" else str(Path(row[0]).with_suffix(""))] = row[1:]
    found = [table.get(name) for name in _names(data, key)]
    if not any(found):
        raise DataError(f"{path}: its column {key} names none of the {len(data.people)} images")
    return {
        column: ["" if values is None else values[index] for values in found]
        for index, column in enumerate(columns)
    }


def slices(
    result: VerificationResult | IdentificationResult,
    attributes: dict[str, list[str]],
    threshold: float | None,
    progress: Progress | None = None,
) -> list[Slice]:
    """The figures of each group of each attribute, in order of column and group.

    `threshold` is the one that decides for everybody: FAR and TAR at it show what a group gets.
    """
    groups = [
        (column, group, np.array([value == group for value in values]))
        for column, values in attributes.items()
        for group in sorted({*values} - {""})
    ]
    found = []
    for done, (column, group, chosen) in enumerate(groups, start=1):
        people = len({result.data.people[place] for place in np.flatnonzero(chosen).tolist()})
        try:
            figures, reason = result.of_group(chosen, threshold), ""
        except DataError as error:
            figures, reason = {}, str(error)
        found.append(Slice(column, group, int(chosen.sum()), people, figures, reason))
        if progress:
            progress(done, len(groups))
    return found


def _names(data: Embedded, key: str) -> Sequence[str]:
    if key == "identity":
        return data.people
    return [
        _below_person(image, person) for image, person in zip(data.images, data.people, strict=True)
    ]


def _below_person(image: Path, person: str) -> str:
    """`person/file` of `.../person/file.jpg`, with the folders between them if there are any."""
    parts = image.with_suffix("").parts
    from_end = parts[::-1].index(person) if person in parts else 0
    return "/".join(parts[len(parts) - 1 - from_end :])
