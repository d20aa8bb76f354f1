"""Grouping photos of people whom nobody has named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facenet.errors import ImageError, NoFaceError
from facenet.imaging import image_files
from facenet.recognition.ahead import map_ahead
from facenet.records import Record
from facenet.types import Face

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facenet.recognition.pipeline import Pipeline
    from facenet.recognition.recognizer import Recognizer
    from facenet.types import Progress, Vector


@dataclass(frozen=True, slots=True, eq=False)
class FoundFace(Record):
    """A face and the photo that it is in."""

    source: Path
    face: Face


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Clusters(Record):
    """Faces by likeness: `groups` of at least two that are taken for one person, the largest group
    first; faces that are like no other; one line for each image without a face."""

    groups: tuple[tuple[FoundFace, ...], ...]
    alone: tuple[FoundFace, ...]
    failures: tuple[str, ...]
    threshold: float
    threshold_origin: str

    def __repr__(self) -> str:
        sizes = ", ".join(str(len(group)) for group in self.groups[:5])
        more = ", ..." if len(self.groups) > 5 else ""
        return (
            f"Clusters({len(self.groups)} groups of {sizes}{more} faces, {len(self.alone)} alone)"
        )


def cluster(
    recognizer: Recognizer,
    folder: Path,
    *,
    threshold: float | None = None,
    progress: Progress | None = None,
) -> Clusters:
    """Group all faces of all photos below a folder by the person whom they seem to show.

    Two groups become one while the mean similarity of their faces reaches the threshold (average
    linkage): the one given, else the configured, else the calibrated one for so many faces. Memory
    grows with the square of the number of faces: 10,000 take about 1 GB.

    Raises `DataError` when there is no such folder, and `RequestError` when there is no threshold.
    """
    recognizer.threshold(threshold)
    paths = image_files(folder)
    found: list[FoundFace] = []
    rows: list[Vector] = []
    failures: list[str] = []
    answers = map_ahead(
        partial(_faces_of, recognizer.pipeline),
        paths,
        recognizer.config.num_workers,
        recognizer.config.batch_size,
    )
    for done, (path, answer) in enumerate(answers, start=1):
        if isinstance(answer, ImageError):
            failures.append(str(answer))
        else:
            faces, embeddings = answer
            found += [FoundFace(path, face) for face in faces]
            rows += list(embeddings)
        if progress:
            progress(done, len(paths))
    decisive, origin = recognizer.threshold(threshold, gallery=lambda: len(rows))
    labels = group(np.array(rows), decisive)
    groups = [
        tuple(found[place] for place in np.flatnonzero(labels == label))
        for label in range(labels.max(initial=-1) + 1)
    ]
    groups.sort(key=len, reverse=True)
    alone = tuple(found[place] for place in np.flatnonzero(labels < 0))
    return Clusters(tuple(groups), alone, tuple(failures), decisive, origin)


def group(embeddings: Vector, threshold: float) -> NDArray[np.int64]:
    """(N,) the number of each of (N, D) unit-length embeddings' group, from 0; -1: alone."""
    from sklearn.cluster import AgglomerativeClustering

    if len(embeddings) < 2:
        return np.full(len(embeddings), -1)
    clustering = AgglomerativeClustering(
        n_clusters=None, metric="cosine", linkage="average", distance_threshold=1 - threshold
    )
    labels = clustering.fit_predict(embeddings)
    sizes = np.bincount(labels)
    numbers = np.full(len(sizes), -1)
    numbers[sizes > 1] = np.arange((sizes > 1).sum())
    return np.asarray(numbers[labels], np.int64)


def _faces_of(pipeline: Pipeline, path: Path) -> tuple[Sequence[Face], Vector] | ImageError:
    try:
        crops = pipeline.crops(path)
    except ImageError as error:
        return error
    if not crops:
        return NoFaceError(f"{path}: no face found")
    return [crop.face for crop in crops], pipeline.embed(crops, normalize=True)
