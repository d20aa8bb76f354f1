"""Filling a gallery from a folder of identities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from facenet.errors import ImageError, NoFaceError
from facenet.imaging import files_of_identities
from facenet.recognition.bulk import Batch, Engine, Outcome, embed_batches, embed_files
from facenet.recognition.cropping import Crop
from facenet.recognition.enrolment import Candidates, add_all, assess
from facenet.recognition.recognizer import Recognizer
from facenet.records import Record
from facenet.stores import BulkStore, Store
from facenet.types import Progress


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
    engine: Engine = embed_batches,
) -> PopulateReport:
    """Enrol every image of `root/<identity>/`, or of `images` below it, under its folder's name.

    Images that are unreadable, show no face or are refused by the configured `quality` are reported
    and passed over. Each batch is one transaction where the store is a `BulkStore`, and `stop` is
    asked after it. What the gallery already holds is neither embedded nor added again, so a run
    that was stopped or killed is finished by running it again. `engine` says where the images are
    embedded; the gallery is written here.
    """
    found = images or files_of_identities(root)
    choose = partial(_not_held, recognizer.store, root)
    identities: set[str] = set()
    failures: list[Failure] = []
    looked_at = added = faces = 0
    with closing(
        embed_files(recognizer.pipeline, found, progress, choose=choose, engine=engine)
    ) as batches:
        for batch in batches:
            refused, new = _enrol(recognizer, root, batch)
            failures += [*_unusable(batch), *refused]
            people = [name for _, name, _ in _faces(root, batch.sources, batch.outcomes)]
            identities.update(people)
            looked_at += len(batch.sources)
            faces += len(people) - len(refused)
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


def _faces(
    root: Path, paths: Sequence[Path], outcomes: Sequence[Outcome]
) -> list[tuple[int, str, Crop]]:
    """The rows of a batch that have a face: whose it is, and the aligned face."""
    rows = enumerate(zip(paths, outcomes, strict=True))
    return [
        (row, _identity(root, path), found)
        for row, (path, found) in rows
        if isinstance(found, Crop)
    ]


def _identity(root: Path, path: Path) -> str:
    return path.relative_to(root).parts[0]


def _not_held(
    store: Store, root: Path, paths: Sequence[Path], outcomes: Sequence[Outcome]
) -> list[int]:
    """The rows whose faces may be new; those that are held need no embedding."""
    faces = _faces(root, paths, outcomes)
    if not isinstance(store, BulkStore):
        return [row for row, _, _ in faces]
    held = store.holds([(identity, crop.key) for _, identity, crop in faces])
    return [row for (row, _, _), known in zip(faces, held, strict=True) if not known]


def _unusable(batch: Batch[Path]) -> list[Failure]:
    return [
        Failure(
            str(path),
            ("no_face" if isinstance(error, NoFaceError) else "unreadable",),
            str(error).removeprefix(f"{path}: "),
        )
        for path, error in zip(batch.sources, batch.outcomes, strict=True)
        if isinstance(error, ImageError)
    ]


def _enrol(recognizer: Recognizer, root: Path, batch: Batch[Path]) -> tuple[list[Failure], int]:
    """Enrol what the gallery did not hold yet: what was refused, and how many were added."""
    if not batch.rows:
        return [], 0
    store, policy = recognizer.store, recognizer.config.quality
    crops, embeddings = batch.crops, batch.embeddings
    places: dict[str, list[int]] = {}
    for place, path in enumerate(batch.found):
        places.setdefault(_identity(root, path), []).append(place)
    candidates = {
        identity: assess(
            store, identity, [crops[place] for place in mine], embeddings[mine], policy
        )
        for identity, mine in places.items()
    }
    accepted = {identity: each.accepted() for identity, each in candidates.items()}
    added = add_all(store, accepted, recognizer.config)
    for identity, count in added.items():
        recognizer.registry.notify("after_enrol", identity=identity, added=count)
    refused = [failure for each in candidates.values() for failure in _refused(each)]
    return refused, sum(added.values())


def _refused(candidates: Candidates) -> Iterator[Failure]:
    for crop, reasons in zip(candidates.crops, candidates.reasons, strict=True):
        if reasons:
            codes = tuple(reason.code for reason in reasons)
            yield Failure(crop.source, codes, ", ".join(reason.text for reason in reasons))
