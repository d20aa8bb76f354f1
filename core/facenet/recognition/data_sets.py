"""Whole data sets through the whole pipeline: detector, alignment, model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from facenet.evaluation import Embedded, PairsFile
from facenet.imaging import files_of_identities
from facenet.recognition.bulk import embed_files
from facenet.recognition.recognizer import Recognizer
from facenet.types import Progress


def embed_identities(
    recognizer: Recognizer,
    root: Path,
    progress: Progress | None = None,
    *,
    without: Collection[str] = (),
) -> tuple[Embedded, list[str]]:
    """The best face of every image of `root/<identity>/`, and one line for each image in which
    none was found or that cannot be decoded; such images are kept, as not found.

    The identities `without` are left out. Raises `DataError` when the folder is missing or holds
    no images.
    """
    found = [(path, path.relative_to(root).parts[0]) for path in files_of_identities(root)]
    chosen = [(path, person) for path, person in found if person not in without]
    paths, people = [path for path, _ in chosen], [person for _, person in chosen]
    return _embedded(recognizer, paths, people, progress)


def embed_pairs(
    recognizer: Recognizer, pairs: PairsFile, folder: Path, progress: Progress | None = None
) -> tuple[Embedded, list[str]]:
    """The images of a pairs file, in its order; as `embed_identities`."""
    people = [name for name, _ in pairs.images]
    return _embedded(recognizer, pairs.files_in(folder), people, progress)


def _embedded(
    recognizer: Recognizer, paths: Sequence[Path], people: list[str], progress: Progress | None
) -> tuple[Embedded, list[str]]:
    places = {path: place for place, path in enumerate(paths)}
    embeddings = np.zeros((len(paths), recognizer.model.embedding_dim), np.float32)
    found = np.zeros(len(paths), bool)
    failures: list[str] = []
    for batch in embed_files(recognizer.pipeline, paths, progress, normalize=True):
        rows = [places[path] for path in batch.found]
        embeddings[rows], found[rows] = batch.embeddings, True
        failures += batch.failures
    return Embedded(paths, people, embeddings, found), failures
