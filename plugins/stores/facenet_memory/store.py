"""The gallery as plain Python and numpy, exact and guarded by one lock."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from facenet.errors import StoreError
from facenet.gallery import (
    checked_embeddings,
    checked_identity,
    checked_keys,
    checked_metadata,
    checked_weights,
    fresh_rows,
    template_direction,
    weighted_sum,
)
from facenet.types import IdentityRecord, Match, Receipt, Samples, StoreStats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facenet.types import Template, Vector


@dataclass(frozen=True, slots=True)
class _Entry:
    """One identity. An enrolment replaces the entry; nothing in it is changed."""

    samples: Samples
    centroid: Vector
    keys: frozenset[str] = frozenset()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def record(self, identity: str) -> IdentityRecord:
        count = len(self.samples.weights)
        return IdentityRecord(identity, count, self.centroid.copy(), deepcopy(self.metadata))


class _Index(NamedTuple):
    """All records in order of name, and their centroids as one (N, D) array."""

    records: list[IdentityRecord]
    centroids: NDArray[np.float64]


class MemoryStore:
    """A gallery that lives as long as this object; safe to share between threads."""

    def __init__(self, embedding_dim: int, space: str) -> None:
        self._dim = embedding_dim
        self._space = space
        none = Samples(np.empty((0, embedding_dim), np.float32), np.empty(0, np.float32))
        self._nobody = _Entry(none, np.zeros(embedding_dim, np.float32))
        self._lock = threading.Lock()
        self._index: _Index | None = None
        self._gallery: dict[str, _Entry] | None = {}

    def enrol(
        self,
        identity: str,
        embeddings: Vector,
        *,
        keys: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        weights: Sequence[float] | None = None,
        template: Template | None = None,
    ) -> int:
        checked_identity(identity)
        vectors = checked_embeddings(embeddings, self._dim)
        checked_keys(keys, len(vectors))
        given = Samples(vectors, checked_weights(weights, len(vectors)))
        extra = checked_metadata(metadata)
        with self._lock:
            return self._add(identity, given, keys, extra, template or weighted_sum)

    def _add(
        self,
        identity: str,
        given: Samples,
        keys: Sequence[str] | None,
        metadata: Mapping[str, Any],
        template: Template,
    ) -> int:
        gallery = self._open_gallery()
        count = len(given.weights)
        if identity not in gallery and not count:
            return 0
        held = gallery.get(identity, self._nobody)
        rows = fresh_rows(keys, held.keys) if keys is not None else list(range(count))
        samples = Samples(
            np.concatenate([held.samples.embeddings, given.embeddings[rows]]),
            np.concatenate([held.samples.weights, given.weights[rows]]),
        )
        centroid = template_direction(template, _copied(samples), identity)
        gallery[identity] = _Entry(
            samples, centroid, held.keys.union(keys or ()), {**held.metadata, **metadata}
        )
        self._index = None
        return len(rows)

    def search(
        self, probes: Vector, *, top_k: int = 5, min_similarity: float = -1.0
    ) -> list[list[Match]]:
        vectors = checked_embeddings(probes, self._dim)
        if top_k < 1:
            raise StoreError(f"top_k must be at least 1, got {top_k}")
        with self._lock:
            records, centroids = self._built_index()
        # Not a matrix product: BLAS may round equal rows differently, and ties must stay ties.
        similarities = np.einsum("md,nd->mn", vectors.astype(np.float64), centroids).clip(-1, 1)
        return [
            [
                _match(records[row], float(similarity[row]))
                for row in np.argsort(-similarity, kind="stable")[:top_k]
                if similarity[row] >= min_similarity
            ]
            for similarity in similarities
        ]

    def get(self, identity: str) -> IdentityRecord | None:
        with self._lock:
            entry = self._open_gallery().get(identity)
            return entry.record(identity) if entry else None

    def samples(self, identity: str) -> Samples:
        with self._lock:
            return _copied(self._open_gallery().get(identity, self._nobody).samples)

    def identities(self) -> Iterator[IdentityRecord]:
        with self._lock:
            records = [entry.record(name) for name, entry in sorted(self._open_gallery().items())]
        return iter(records)

    def forget(self, identity: str) -> Receipt:
        with self._lock:
            entry = self._open_gallery().pop(identity, self._nobody)
            self._index = None
        return Receipt(identity, len(entry.samples.weights), datetime.now(UTC))

    def count(self) -> int:
        with self._lock:
            return len(self._open_gallery())

    def stats(self) -> StoreStats:
        with self._lock:
            gallery = self._open_gallery()
            samples = sum(len(entry.samples.weights) for entry in gallery.values())
            return StoreStats("memory", len(gallery), samples, self._dim, self._space)

    def close(self) -> None:
        with self._lock:
            self._gallery = self._index = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_gallery(self) -> dict[str, _Entry]:
        if self._gallery is None:
            raise StoreError("the store is closed")
        return self._gallery

    def _built_index(self) -> _Index:
        gallery = self._open_gallery()
        if self._index is None:
            records = [entry.record(name) for name, entry in sorted(gallery.items())]
            centroids = [record.centroid for record in records]
            self._index = _Index(records, np.array(centroids, np.float64).reshape(-1, self._dim))
        return self._index


def _copied(samples: Samples) -> Samples:
    return Samples(samples.embeddings.copy(), samples.weights.copy())


def _match(record: IdentityRecord, similarity: float) -> Match:
    return Match(record.identity, similarity, record.samples, deepcopy(record.metadata))
