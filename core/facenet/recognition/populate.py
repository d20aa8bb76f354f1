"""Filling a gallery from a folder of identities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

from facenet.errors import DataError, ImageError
from facenet.imaging import image_files
from facenet.recognition.recognizer import Crop, Recognizer


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
    progress: Callable[[int, int], None] | None = None,
) -> PopulateReport:
    """Enrol every image of `root/<identity>/`, or of `images` below it, under its folder's name.

    Images that are unreadable or show no face are reported and passed over. What the gallery
    already holds is not added again, so an interrupted run is finished by running it again.
    `progress` is told how many images are done, and of how many.
    """
    found = [path for path in images or image_files(root) if path.parent != root]
    if not found:
        raise DataError(f"{root}: no images in it; expected {root}/<identity>/<image>.jpg")
    failures: list[str] = []
    identities: set[str] = set()
    added = done = 0
    with ThreadPoolExecutor(max(1, recognizer.config.num_workers)) as pool:
        for batch in _chunks(found, recognizer.config.batch_size):
            outcomes = zip(batch, pool.map(lambda p: _crop(recognizer, p), batch), strict=True)
            crops = []
            for path, outcome in outcomes:
                if isinstance(outcome, Crop):
                    crops.append((path.relative_to(root).parts[0], outcome))
                else:
                    failures.append(str(outcome))
            embeddings = recognizer.embed_crops([crop for _, crop in crops])
            for identity, group in groupby(enumerate(crops), key=lambda item: item[1][0]):
                members = list(group)
                enrolment = recognizer.enrol_embeddings(
                    identity,
                    [crop for _, (_, crop) in members],
                    embeddings[[index for index, _ in members]],
                )
                added += enrolment.added
                identities.add(identity)
            done += len(batch)
            if progress:
                progress(done, len(found))
    return PopulateReport(len(identities), len(found), added, tuple(failures))


def _crop(recognizer: Recognizer, path: Path) -> Crop | ImageError:
    try:
        return recognizer.best_crop(path)
    except ImageError as error:
        return error


def _chunks(paths: Sequence[Path], size: int) -> Iterator[list[Path]]:
    remaining = iter(paths)
    while chunk := list(islice(remaining, size)):
        yield chunk
