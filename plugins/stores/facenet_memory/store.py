"""The gallery as plain Python and numpy, exact and guarded by one lock."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from facenet.curated_stores import HeldSample
from facenet.errors import StoreUnavailable
from facenet.gallery import (
    CheckedAddition,
    check_transfer,
    checked_addition,
    checked_additions,
    checked_identity,
    checked_search,
    chosen_samples,
    contains,
    fresh_rows,
    name_taken,
    not_enrolled,
    template_direction,
    weighted_sum,
)
from facenet.stores import Addition, IdentityRecord, Match, Receipt, Samples, StoreStats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facenet.stores import Template
    from facenet.types import Vector


class _Extra(NamedTuple):
    """What a sample has besides its vector and weight."""

    number: int
    key: str | None
    at: datetime
    crop: bytes | None


@dataclass(frozen=True, slots=True)
class _Entry:
    """One identity. A change replaces the entry; nothing in it is changed."""

    samples: Samples
    centroid: Vector
    extras: tuple[_Extra, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(extra.key for extra in self.extras if extra.key is not None)

    def extended(self, given: CheckedAddition, numbers: Iterator[int]) -> _Entry:
        """With what is new of an addition; the centroid is still the former."""
        count = len(given.samples.weights)
        rows = fresh_rows(given.keys, self.keys) if given.keys is not None else list(range(count))
        now = datetime.now(UTC)
        keys: Sequence[str | None] = given.keys or [None] * count
        added = Samples(given.samples.embeddings[rows], given.samples.weights[rows])
        extras = tuple(_Extra(next(numbers), keys[row], now, given.crops[row]) for row in rows)
        entry = self.joined(added, extras)
        return replace(entry, metadata={**self.metadata, **given.metadata})

    def joined(self, samples: Samples, extras: tuple[_Extra, ...]) -> _Entry:
        """With these samples too, all in order of enrolment; the centroid is still the former."""
        together = (*self.extras, *extras)
        parts = zip(self.samples, samples, strict=True)
        joined = Samples(*(np.concatenate(part) for part in parts))
        order = sorted(range(len(together)), key=lambda row: together[row].number)
        return replace(self, samples=joined, extras=together).only(order)

    def only(self, rows: Sequence[int]) -> _Entry:
        """With the samples of these rows alone; the centroid is still the former."""
        samples = Samples(*(part[rows] for part in self.samples))
        return replace(self, samples=samples, extras=tuple(self.extras[row] for row in rows))

    def settled(self, identity: str, template: Template | None) -> _Entry:
        """With the centroid that its samples make."""
        make = template or weighted_sum
        centroid = template_direction(make, _copied(self.samples), identity)
        return replace(self, centroid=centroid)

    def record(self, identity: str) -> IdentityRecord:
        count = len(self.samples.weights)
        return IdentityRecord(identity, count, self.centroid.copy(), deepcopy(self.metadata))


class _Index(NamedTuple):
    """All records in order of name, and their centroids as one (N, D) array."""

    records: list[IdentityRecord]
    centroids: NDArray[np.float64]

    def among(self, where: dict[str, Any]) -> _Index:
        """Only those whose metadata contains `where`."""
        rows = [row for row, held in enumerate(self.records) if contains(held.metadata, where)]
        return _Index([self.records[row] for row in rows], self.centroids[rows])


class MemoryStore:
    """A gallery that lives as long as this object; safe to share between threads."""

    def __init__(self, embedding_dim: int, space: str) -> None:
        self._dim = embedding_dim
        self._space = space
        none = Samples(np.empty((0, embedding_dim), np.float32), np.empty(0, np.float32))
        self._nobody = _Entry(none, np.zeros(embedding_dim, np.float32))
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
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
        crops: Sequence[bytes | None] | None = None,
    ) -> int:
        given = Addition(identity, embeddings, keys, metadata, weights, crops)
        [added] = self._add([checked_addition(given, self._dim)], template)
        return added

    def enrol_many(
        self, additions: Sequence[Addition], *, template: Template | None = None
    ) -> list[int]:
        return self._add(checked_additions(additions, self._dim), template)

    def _add(self, additions: Sequence[CheckedAddition], template: Template | None) -> list[int]:
        with self._lock:
            gallery = self._open_gallery()
            changed: dict[str, _Entry] = {}
            added = []
            for given in additions:
                held = changed.get(given.identity) or gallery.get(given.identity, self._nobody)
                entry = held.extended(given, self._numbers)
                if len(entry.samples.weights):
                    changed[given.identity] = entry
                added.append(len(entry.samples.weights) - len(held.samples.weights))
            gallery.update(
                {identity: entry.settled(identity, template) for identity, entry in changed.items()}
            )
            self._index = None
            return added

    def holds(self, keys: Sequence[tuple[str, str]]) -> list[bool]:
        with self._lock:
            gallery = self._open_gallery()
            return [key in gallery.get(identity, self._nobody).keys for identity, key in keys]

    def search(
        self,
        probes: Vector,
        *,
        top_k: int = 5,
        min_similarity: float = -1.0,
        where: Mapping[str, Any] | None = None,
    ) -> list[list[Match]]:
        vectors, wanted = checked_search(probes, self._dim, top_k, where)
        with self._lock:
            index = self._built_index()
        records, centroids = index.among(wanted) if wanted else index
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

    def crops(self, identity: str) -> list[bytes | None]:
        with self._lock:
            entry = self._open_gallery().get(identity, self._nobody)
            return [extra.crop for extra in entry.extras]

    def holdings(self, identity: str) -> list[HeldSample]:
        with self._lock:
            entry = self._open_gallery().get(identity, self._nobody)
        held = zip(*_copied(entry.samples), entry.extras, strict=True)
        return [
            HeldSample(extra.number, embedding, float(weight), extra.key, extra.at, extra.crop)
            for embedding, weight, extra in held
        ]

    def rename(self, identity: str, to: str) -> None:
        checked_identity(to)
        with self._lock:
            gallery = self._open_gallery()
            if identity not in gallery:
                raise not_enrolled(identity)
            if to in gallery and to != identity:
                raise name_taken(to)
            gallery[to] = gallery.pop(identity)
            self._index = None

    def transfer(
        self,
        identity: str,
        to: str,
        *,
        samples: Sequence[int] | None = None,
        template: Template | None = None,
    ) -> int:
        check_transfer(identity, to)
        with self._lock:
            gallery = self._open_gallery()
            if identity not in gallery:
                raise not_enrolled(identity)
            source, target = gallery[identity], gallery.get(to, self._nobody)
            numbers = [extra.number for extra in source.extras]
            leaving = chosen_samples(identity, numbers, samples)
            doubles, rows = target.keys, range(len(numbers))
            moved = source.only(
                [
                    row
                    for row in rows
                    if numbers[row] in leaving and source.extras[row].key not in doubles
                ]
            )
            stays = source.only([row for row in rows if numbers[row] not in leaving])
            target = target.joined(moved.samples, moved.extras)
            if samples is None:
                target = replace(target, metadata={**source.metadata, **target.metadata})
            changed = {to: target, identity: stays}
            settled = {
                name: entry.settled(name, template)
                for name, entry in changed.items()
                if entry.extras
            }
            gallery.update(settled)
            if not stays.extras:
                del gallery[identity]
            self._index = None
            return len(moved.extras)

    def erase(
        self, identity: str, samples: Sequence[int], *, template: Template | None = None
    ) -> int:
        with self._lock:
            gallery = self._open_gallery()
            if identity not in gallery:
                raise not_enrolled(identity)
            entry = gallery[identity]
            numbers = [extra.number for extra in entry.extras]
            gone = chosen_samples(identity, numbers, samples)
            left = entry.only([row for row, number in enumerate(numbers) if number not in gone])
            if left.extras:
                gallery[identity] = left.settled(identity, template)
            else:
                del gallery[identity]
            self._index = None
            return len(gone)

    def older(self, than: datetime) -> Iterator[tuple[str, list[int]]]:
        with self._lock:
            found = {
                name: [extra.number for extra in entry.extras if extra.at < than]
                for name, entry in sorted(self._open_gallery().items())
            }
        return iter([(name, numbers) for name, numbers in found.items() if numbers])

    def identities(
        self, *, after: str | None = None, limit: int | None = None
    ) -> Iterator[IdentityRecord]:
        with self._lock:
            gallery = self._open_gallery()
            names = sorted(name for name in gallery if after is None or name > after)
            return iter([gallery[name].record(name) for name in names[:limit]])

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
            held = len(gallery), samples
            return StoreStats("memory", *held, self._dim, self._space, persistent=False)

    def close(self) -> None:
        with self._lock:
            self._gallery = self._index = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_gallery(self) -> dict[str, _Entry]:
        if self._gallery is None:
            raise StoreUnavailable("the store is closed")
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
