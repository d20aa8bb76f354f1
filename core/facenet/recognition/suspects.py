"""What in a gallery is likely to be wrong: one person under two names, two under one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facenet.curated_stores import CuratedStore
from facenet.gallery import unit_rows, weighted_sum
from facenet.recognition.abilities import curated
from facenet.recognition.bulk import batches_of
from facenet.recognition.recognizer import Recognizer
from facenet.records import Record
from facenet.stores import IdentityRecord
from facenet.types import Progress

NEIGHBOURS = 5
"""So many of the most similar identities are looked at for each."""
IDENTITIES_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Duplicate(Record):
    """Two identities whose templates are so similar that they may be one person's."""

    identity: str
    other: str
    similarity: float


@dataclass(frozen=True, slots=True)
class MixUp(Record):
    """A sample that is unlike the rest of its identity, and may be someone else's: `similarity`
    with the mean of the others, and the enrolled identity that it is most like, if that is
    another one, with `other_similarity`."""

    identity: str
    sample: int
    similarity: float
    other: str | None
    other_similarity: float | None


def duplicates(
    recognizer: Recognizer, *, threshold: float | None = None, progress: Progress | None = None
) -> list[Duplicate]:
    """Pairs of identities whose templates are at least `threshold` similar, each once, the most
    similar first.

    The threshold is that of `Recognizer.threshold` for a gallery of this size. Raises
    `RequestError` when there is none.
    """
    store = recognizer.store
    least, _ = recognizer.threshold(threshold, gallery=store.count)
    total, done = store.count(), 0
    pairs: list[Duplicate] = []
    for batch in batches_of(store.identities(), IDENTITIES_AT_ONCE):
        probes = np.stack([record.centroid for record in batch])
        found = store.search(probes, top_k=NEIGHBOURS + 1, min_similarity=least)
        for record, matches in zip(batch, found, strict=True):
            for match in matches:
                if record.identity < match.identity:
                    pairs.append(Duplicate(record.identity, match.identity, match.similarity))
        done += len(batch)
        if progress:
            progress(done, total)
    return sorted(pairs, key=lambda pair: -pair.similarity)


def mix_ups(
    recognizer: Recognizer, *, threshold: float | None = None, progress: Progress | None = None
) -> list[MixUp]:
    """Samples that are less similar than `threshold` to the mean of their identity's others, the
    least similar first.

    Of an identity of two both are, where either is. The threshold is that of `Recognizer.threshold`
    for two faces. Raises `RequestError` when there is none, and where the store cannot name
    samples.
    """
    store = curated(recognizer)
    least, _ = recognizer.threshold(threshold)
    total = store.count()
    strangers: list[MixUp] = []
    for done, record in enumerate(store.identities(), 1):
        strangers += _strangers(store, record, least)
        if progress:
            progress(done, total)
    return sorted(strangers, key=lambda stranger: stranger.similarity)


def _strangers(store: CuratedStore, record: IdentityRecord, least: float) -> Iterator[MixUp]:
    if record.samples < 2:
        return
    samples = store.samples(record.identity)
    others = weighted_sum(samples) - samples.weights[:, np.newaxis] * samples.embeddings
    similarities = (unit_rows(others) * samples.embeddings).sum(axis=1)
    rows = np.flatnonzero(similarities < least)
    if not len(rows):
        return
    numbers = [sample.number for sample in store.holdings(record.identity)]
    if len(numbers) != len(samples.weights):  # it has changed meanwhile
        return
    found = store.search(samples.embeddings[rows], top_k=1)
    for row, matches in zip(rows, found, strict=True):
        nearest = next((each for each in matches if each.identity != record.identity), None)
        yield MixUp(
            record.identity,
            numbers[row],
            float(similarities[row]),
            nearest.identity if nearest else None,
            nearest.similarity if nearest else None,
        )
