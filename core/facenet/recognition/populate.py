"""Filling a gallery from a folder of identities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from facenet.errors import ImageError, NoFaceError
from facenet.imaging import files_of_identities
from facenet.recognition.bulk import Cropped, Progress, crop_files
from facenet.recognition.cropping import Crop
from facenet.recognition.enrolment import Candidates, add_all, assess
from facenet.recognition.recognizer import Recognizer
from facenet.records import Record
from facenet.types import BulkStore, Store


@dataclass(frozen=True, slots=True)
class Failure(Record):
    """An image that could not be enrolled: why, in words for programs and for people.

    The codes are `unreadable`, `no_face`, and those of the configured `quality`.
    """

    path: str
    codes: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason} ({', '.join(self.codes)})"


@dataclass(frozen=True, slots=True)
class PopulateReport:
    """What came of a run's `images`, of people called by so many `identities`: samples `added`,
    others that were `held` already, and `failures`; `left` images were not looked at, since the run
    was stopped."""

    identities: int
    images: int
    added: int
    held: int
    failures: tuple[Failure, ...]
    left: int = 0


def populate(
    recognizer: Recognizer,
    root: Path,
    *,
    images: Sequence[Path] | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> PopulateReport:
    """Enrol every image of `root/<identity>/`, or of `images` below it, under its folder's name.

    Images that are unreadable, show no face or are refused by the configured `quality` are reported
    and passed over. Each batch is one transaction where the store is a `BulkStore`, and `stop` is
    asked after it. What the gallery already holds is neither embedded nor added again, so a run
    that was stopped or killed is finished by running it again.
    """
    found = images or files_of_identities(root)
    identities: set[str] = set()
    failures: list[Failure] = []
    looked_at = added = faces = 0
    with closing(crop_files(recognizer.pipeline, found, progress)) as batches:
        for batch in batches:
            people = _people(root, batch)
            refused, new = _enrol(recognizer, people)
            failures += [*_unusable(batch), *refused]
            identities.update(people)
            looked_at += len(batch)
            faces += sum(map(len, people.values())) - len(refused)
            added += new
            if stop():
                break
    return PopulateReport(
        identities=len(identities),
        images=looked_at,
        added=added,
        held=faces - added,
        failures=tuple(failures),
        left=len(found) - looked_at,
    )


def _people(root: Path, batch: Cropped[Path]) -> dict[str, list[Crop]]:
    """The aligned faces of a batch by identity."""
    people: dict[str, list[Crop]] = {}
    for path, found in batch:
        if isinstance(found, Crop):
            people.setdefault(path.relative_to(root).parts[0], []).append(found)
    return people


def _unusable(batch: Cropped[Path]) -> list[Failure]:
    return [
        Failure(
            str(path),
            ("no_face" if isinstance(error, NoFaceError) else "unreadable",),
            str(error).removeprefix(f"{path}: "),
        )
        for path, error in batch
        if isinstance(error, ImageError)
    ]


def _enrol(
    recognizer: Recognizer, people: Mapping[str, Sequence[Crop]]
) -> tuple[list[Failure], int]:
    """Enrol what the gallery does not hold yet: what was refused, and how many were added."""
    store, policy = recognizer.store, recognizer.config.quality
    new = _not_held(store, [(name, crop) for name, crops in people.items() for crop in crops])
    if not new:
        return [], 0
    embeddings = recognizer.pipeline.embed([crop for _, crop in new])
    rows: dict[str, list[int]] = {}
    for row, (identity, _) in enumerate(new):
        rows.setdefault(identity, []).append(row)
    candidates = {
        identity: assess(store, identity, [new[row][1] for row in mine], embeddings[mine], policy)
        for identity, mine in rows.items()
    }
    accepted = {identity: each.accepted() for identity, each in candidates.items()}
    added = add_all(store, accepted, recognizer.config)
    for identity, count in added.items():
        recognizer.registry.notify("after_enrol", identity=identity, added=count)
    refused = [failure for each in candidates.values() for failure in _refused(each)]
    return refused, sum(added.values())


def _not_held(store: Store, faces: list[tuple[str, Crop]]) -> list[tuple[str, Crop]]:
    """The faces that may be new; those that are held need no embedding."""
    if not isinstance(store, BulkStore):
        return faces
    held = store.holds([(identity, crop.key) for identity, crop in faces])
    return [face for face, known in zip(faces, held, strict=True) if not known]


def _refused(candidates: Candidates) -> Iterator[Failure]:
    for crop, reasons in zip(candidates.crops, candidates.reasons, strict=True):
        if reasons:
            codes = tuple(reason.code for reason in reasons)
            yield Failure(crop.source, codes, ", ".join(reason.text for reason in reasons))
