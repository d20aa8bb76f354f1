"""Filling a gallery from a folder of identities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from facenet.errors import DataError
from facenet.imaging import image_files
from facenet.recognition.bulk import Batch, Progress, embed_files
from facenet.recognition.recognizer import Recognizer


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

    Images that are unreadable or show no face are reported and passed over. What the gallery
    already holds is not added again, so an interrupted run is finished by running it again.
    """
    found = [path for path in images or image_files(root) if path.parent != root]
    if not found:
        raise DataError(f"{root}: no images in it; expected {root}/<identity>/<image>.jpg")
    identities: set[str] = set()
    failures: list[str] = []
    added = 0
    for batch in embed_files(recognizer, found, progress):
        failures += batch.failures
        names = [path.relative_to(root).parts[0] for path in batch.paths]
        identities.update(names)
        added += _enrol(recognizer, names, batch)
    return PopulateReport(len(identities), len(found), added, tuple(failures))


def _enrol(recognizer: Recognizer, names: Sequence[str], batch: Batch) -> int:
    added = 0
    for identity, members in groupby(range(len(names)), key=names.__getitem__):
        indices = list(members)
        crops = [batch.crops[index] for index in indices]
        added += recognizer.enrol_crops(identity, crops, batch.embeddings[indices]).added
    return added
