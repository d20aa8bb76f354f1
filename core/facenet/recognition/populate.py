"""Filling a gallery from a folder of identities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from facenet.imaging import files_of_identities
from facenet.recognition.bulk import Batch, Progress, embed_files
from facenet.recognition.recognizer import Recognizer
from facenet.recognition.results import Enrolment


@dataclass(frozen=True, slots=True)
class PopulateReport:
    """What a run added; `failures` has one line for each image that could not be enrolled."""

    identities: int
    images: int
    added: int
    failures: tuple[str, ...]


def populate(
    recognizer: Recognizer,
    root: Path,
    *,
    images: Sequence[Path] | None = None,
    progress: Progress | None = None,
) -> PopulateReport:
    """Enrol every image of `root/<identity>/`, or of `images` below it, under its folder's name.

    Images that are unreadable, show no face or are refused by the configured `quality` are reported
    and passed over. What the gallery already holds is not added again, so an interrupted run is
    finished by running it again.
    """
    found = images or files_of_identities(root)
    identities: set[str] = set()
    failures: list[str] = []
    added = 0
    for batch in embed_files(recognizer.pipeline, found, progress):
        failures += batch.failures
        names = [path.relative_to(root).parts[0] for path in batch.found]
        identities.update(names)
        for enrolment in _enrol(recognizer, names, batch):
            added += enrolment.added
            failures += enrolment.refused
    return PopulateReport(len(identities), len(found), added, tuple(failures))


def _enrol(recognizer: Recognizer, names: Sequence[str], batch: Batch[Path]) -> Iterator[Enrolment]:
    for identity, members in groupby(range(len(names)), key=names.__getitem__):
        rows = list(members)
        crops = [batch.crops[row] for row in rows]
        yield recognizer.enrol_crops(identity, crops, batch.embeddings[rows])
