"""What `align_folder` says of a run: on screen, as a list of what was left out, as a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

from facenet.aligning.contact_sheet import contact_sheet
from facenet.aligning.journal import Done
from facenet.imaging import decode
from facenet.records import Record

NO_FACE = "no face found"
SHEET_ROWS, SHEET_COLUMNS = 10, 8


@dataclass(frozen=True, slots=True)
class LeftOut(Record):
    """An image without an aligned face, and why."""

    image: str
    reason: str


@dataclass(frozen=True, slots=True)
class AlignReport(Record):
    """What came of `images`: faces `aligned` now and `kept` from runs before, how many of these
    images show `several_faces`, of which the most prominent was taken, and what was left out.

    `without_image` counts faces from runs before whose image is no longer there.
    """

    images: int
    aligned: int
    kept: int
    several_faces: int
    without_image: int
    left_out: tuple[LeftOut, ...]


def report_on(
    outcomes: Mapping[str, Done | str],
    tried: Collection[str],
    entries: Mapping[str, Done],
    folder: Path,
) -> AlignReport:
    """The report on a run, from what came of each image, or why nothing did, which of them it
    tried, all that the journal of its folder holds, and the folder."""
    left_out, found = [], {}
    for name, outcome in outcomes.items():
        if isinstance(outcome, str):
            left_out.append(LeftOut(name, outcome))
        elif outcome.face is None:
            left_out.append(LeftOut(name, NO_FACE))
        else:
            found[name] = outcome
    aligned = len(found.keys() & tried)
    others = (entries[name].face for name in entries.keys() - outcomes)
    return AlignReport(
        images=len(outcomes),
        aligned=aligned,
        kept=len(found) - aligned,
        several_faces=sum(done.faces > 1 for done in found.values()),
        without_image=sum((folder / face).is_file() for face in others if face),
        left_out=tuple(left_out),
    )


def csv_of(left_out: Sequence[LeftOut]) -> bytes:
    """A table of what was left out."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["image", "reason"])
    table.writerows([each.image, each.reason] for each in left_out)
    return text.getvalue().encode(errors="surrogateescape")


def sheet_of(outcomes: Iterable[Done | str], folder: Path) -> bytes:
    """A JPEG of the first faces of the first identities of a folder, one row for each."""
    faces = (each.face for each in outcomes if isinstance(each, Done) and each.face)
    rows = {
        name: [decode(folder / face) for face in islice(theirs, SHEET_COLUMNS)]
        for name, theirs in islice(groupby(faces, _identity), SHEET_ROWS)
    }
    encoded = io.BytesIO()
    contact_sheet(rows).save(encoded, "JPEG", quality=90)
    return encoded.getvalue()


def _identity(face: str) -> str:
    return face.partition("/")[0]
