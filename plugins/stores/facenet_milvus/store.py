"""The gallery in Milvus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, Self

from facenet.errors import StoreUnavailable
from facenet.gallery import (
    CheckedAddition,
    checked_addition,
    checked_additions,
    checked_search,
)
from facenet.stores import Addition, Finding, IdentityRecord, Match, Receipt, Samples, StoreStats
from facenet_milvus import Options, checking, enrolment, purging, rows
from facenet_milvus.nearest import Question
from facenet_milvus.place import ROWS_AT_ONCE, Place
from facenet_milvus.schema import Gallery, open_gallery

if TYPE_CHECKING:
    from facenet.stores import Template
    from facenet.types import Vector


def open_store(options: Options, embedding_dim: int, space: str) -> MilvusStore:
    """Reach or start Milvus and open the gallery in it; raises `StoreError`."""
    with ExitStack() as resources:
        place = Place(options, resources)
        gallery = Gallery(options.collection, embedding_dim, space, options.index)
        open_gallery(place, gallery)
        return MilvusStore(place, gallery, resources.pop_all())


class MilvusStore:
    """A gallery in Milvus; safe to share between threads.

    On a server several processes may search, while one enrols and forgets: a row is written whole,
    but nothing keeps two processes from changing one identity at once, after which one of the two
    is not in the template until `check` repairs it.
    """

    def __init__(self, place: Place, gallery: Gallery, resources: ExitStack) -> None:
        self._open_place: Place | None = place
        self._gallery = gallery
        self._resources = resources

    @property
    def _place(self) -> Place:
        if self._open_place is None:
            raise StoreUnavailable("the store is closed")
        return self._open_place

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
        [added] = self._enrol([checked_addition(given, self._gallery.dim)], template)
        return added

    def enrol_many(
        self, additions: Sequence[Addition], *, template: Template | None = None
    ) -> list[int]:
        """All additions, in two writes of many rows each: what is wrong is found before, but a
        crash between leaves some enrolled. Repeating the call with the same keys ends it."""
        return self._enrol(checked_additions(additions, self._gallery.dim), template)

    def _enrol(self, additions: Sequence[CheckedAddition], template: Template | None) -> list[int]:
        with self._place.changing():
            return enrolment.enrol(self._place, self._gallery, additions, template)

    def holds(self, keys: Sequence[tuple[str, str]]) -> list[bool]:
        with self._place.reading():
            digests = {identity: rows.digest(identity) for identity, _ in keys}
            found = self._place.get(self._gallery.identities, [*digests.values()], ["name", "row"])
            located = {row["name"]: row["row"] for row in found}
            asked = [
                rows.sample_id(located[identity], key) if identity in located else None
                for identity, key in keys
            ]
            ids = list({sample: None for sample in asked if sample})
            there = {row["id"] for row in self._place.get(self._gallery.samples, ids, ["id"])}
        return [sample in there for sample in asked]

    def search(
        self,
        probes: Vector,
        *,
        top_k: int = 5,
        min_similarity: float = -1.0,
        where: Mapping[str, Any] | None = None,
    ) -> list[list[Match]]:
        vectors, wanted = checked_search(probes, self._gallery.dim, top_k, where)
        with self._place.reading():
            question = Question(self._place, self._gallery, top_k, min_similarity, wanted)
            return question.answers(vectors)

    def get(self, identity: str) -> IdentityRecord | None:
        with self._place.reading():
            digest = rows.digest(identity)
            found = self._place.get(self._gallery.identities, [digest], rows.RECORD)
        return rows.record(found[0]) if found else None

    def samples(self, identity: str) -> Samples:
        with self._place.reading():
            digest = rows.digest(identity)
            found = self._place.get(self._gallery.identities, [digest], ["row"], strong=True)
            if not found:
                return rows.samples([], self._gallery.dim)
            row = found[0]["row"]
            return rows.samples_of(self._place, self._gallery, [row])[row]

    def identities(
        self, *, after: str | None = None, limit: int | None = None
    ) -> Iterator[IdentityRecord]:
        """As `Store.identities`; all names are read first, since Milvus sorts nothing."""
        with self._place.reading():
            named = (
                (row["name"], row["digest"])
                for batch in self._place.scan(self._gallery.identities, ["name", "digest"])
                for row in batch
                if after is None or row["name"] > after
            )
            names = sorted(named) if limit is None else nsmallest(limit, named)
        for start in range(0, len(names), ROWS_AT_ONCE):
            digests = [digest for _, digest in names[start : start + ROWS_AT_ONCE]]
            with self._place.reading():
                found = self._place.get(self._gallery.identities, digests, rows.RECORD)
            yield from sorted(map(rows.record, found), key=lambda record: record.identity)

    def forget(self, identity: str) -> Receipt:
        """As `Store.forget`. On the disk it stays until `purge`."""
        with self._place.changing():
            theirs = rows.of_name(identity)
            erased = self._place.count(self._gallery.samples, theirs, strong=True)
            # First what searches find. Whoever is ended here erases the rest by another call.
            self._place.erase(self._gallery.identities, [rows.digest(identity)])
            if erased:
                self._place.erase(self._gallery.samples, where=theirs)
        return Receipt(identity, erased, datetime.now(UTC))

    def count(self) -> int:
        with self._place.reading():
            return self._place.count(self._gallery.identities)

    def stats(self) -> StoreStats:
        with self._place.reading():
            identities = self._place.count(self._gallery.identities)
            samples = self._place.count(self._gallery.samples)
            backend = f"milvus ({self._place.name}, {self._place.version}, {self._gallery.index})"
        return StoreStats(backend, identities, samples, self._gallery.dim, self._gallery.space)

    def check(self, *, repair: bool = False) -> Iterator[Finding]:
        """As `CheckedStore.check`. Repair while no other process enrols: its enrolment that is
        half written cannot be told from one that was ended."""
        return checking.check(self._place, self._gallery, repair=repair)

    def purge(self) -> None:
        """Take off the disk what was erased, as far as Milvus can.

        Local: the collections are copied, and the former ones' files removed; calls wait meanwhile.
        On a server: they are compacted there; it removes the former files later, of itself.
        """
        with self._place.changing():
            purging.purge(self._place, self._gallery)

    def close(self) -> None:
        self._open_place = None
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
