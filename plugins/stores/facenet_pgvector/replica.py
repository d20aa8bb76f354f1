"""The templates of a gallery in this process's memory, for search; brought up to date by each call.

A search asks the server, in one statement, what has changed since a former one: which identities
were changed, and which forgotten, by transactions that the former statement may not have seen.
While the server answers, the templates are searched as they are, and what was found stands unless
something has changed. So whatever was committed before a search began, by whatever process, is seen
by it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from queue import LifoQueue
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pgvector.psycopg import register_vector
from psycopg import IsolationLevel
from psycopg.rows import TupleRow

from facenet.errors import StoreUnavailable
from facenet.stores import Match
from facenet_pgvector import rows
from facenet_pgvector.freshness import Asker, Changes, Inquiry
from facenet_pgvector.nearest import NearestIndex, size_in_bytes

if TYPE_CHECKING:
    from facenet.types import Vector
    from facenet_pgvector.tables import Gallery

_COUNT = "SELECT count(*) FROM {identities}"
_TEMPLATES = "SELECT id, centroid, name, samples, metadata::text FROM {identities}"
_OLDEST_UNSEEN = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"

LOAD_SECONDS = 1.0
"""Searches wait so long for a gallery that is being read; then the server answers them."""
MANY_CHANGES = 20_000
"""With more the gallery is read anew."""
ROWS_AT_ONCE = 1000
ASKERS = 4
"""So many threads search at a time, each with a connection of its own."""


class _Entry(NamedTuple):
    name: str
    samples: int
    metadata: str


class _Read(NamedTuple):
    """The templates, up to date with the `latest` changes."""

    templates: NearestIndex[_Entry]
    latest: Changes


class Replica:
    """Search over the templates of a gallery, as long as these take no more than `memory` bytes;
    safe to share between threads. `connect` gives a connection of its own. Each call raises
    `StoreUnavailable` or what psycopg does."""

    def __init__(self, connect: Callable[[], Gallery], memory: int) -> None:
        self._connect = connect
        self._memory = memory
        self._askers: LifoQueue[Asker] = LifoQueue()
        for _ in range(ASKERS):
            self._askers.put(Asker(connect))
        self._lock = threading.Lock()  # of what follows
        self._read: _Read | None = None
        self._reading: Future[_Read | None] | None = None
        self._waited_for = 0.0
        self._closed = False

    @property
    def outgrown(self) -> bool:
        """Whether the gallery takes more memory than it may."""
        return self._memory == 0

    def search(self, probes: Vector, top_k: int, min_similarity: float) -> list[list[Match]] | None:
        """As `Store.search`, for checked probes; None: the server must answer, because the gallery
        is still being read, or has outgrown the memory."""
        while (read := self._ready()) is not None:
            with self._asker() as asker:
                asker.ask(read.latest.since)
                found = read.templates.search(probes, top_k)
                changes = asker.answer()
                if changes != read.latest:
                    index = self._updated(read, changes, asker.gallery)
                    if index is None:
                        continue
                    if changes.tell_more_than(read.latest):
                        found = index.search(probes, top_k)
            return [_matches(answer, top_k, min_similarity) for answer in found]
        return None

    def settle(self) -> None:
        """Wait until the gallery is read and its index built."""
        while True:
            with self._lock:
                reading = self._reading
            if reading is not None:
                reading.result()
                self._adopt(reading)
            read = self._ready()
            if read is not None:
                return read.templates.wait()
            if self.outgrown:
                return None

    def close(self) -> None:
        with self._lock:
            self._closed = True
            reading = self._reading
            if self._read is not None:
                self._read.templates.close()
        askers = [self._askers.get() for _ in range(ASKERS)]  # when their searches have ended
        for asker in askers:
            asker.close()
            self._askers.put(asker)
        if reading is not None:
            reading.exception()

    def _ready(self) -> _Read | None:
        """What was read at some time; None when the server must answer."""
        while True:
            with self._lock:
                if self._closed:
                    raise StoreUnavailable("the store is closed")
                if self.outgrown or self._read is not None:
                    return self._read
                if self._reading is None:
                    self._reading = self._start_reading()
                    self._waited_for = time.monotonic() + LOAD_SECONDS
                reading = self._reading
            try:
                reading.result(max(0, self._waited_for - time.monotonic()))
            except TimeoutError:
                return None
            finally:
                self._adopt(reading)

    def _adopt(self, reading: Future[_Read | None]) -> None:
        """Take over what was read, once."""
        with self._lock:
            if self._reading is reading and reading.done():
                self._reading = None
                if not self._closed and reading.exception() is None:
                    self._read = reading.result()

    @contextmanager
    def _asker(self) -> Iterator[Asker]:
        """One that nobody else has; the one that asked last, if it is free."""
        asker = self._askers.get()
        try:
            yield asker
        except BaseException:
            asker.hang_up()  # A question may be without its answer.
            raise
        finally:
            self._askers.put(asker)

    def _updated(
        self, read: _Read, changes: Changes, gallery: Gallery
    ) -> NearestIndex[_Entry] | None:
        """The index with these changes, which were asked for after `read`; None when it has to be
        read anew, or takes more memory than it may."""
        with self._lock:
            if self._read is None:
                return None
            index, latest = self._read
            changed = changes.changed - latest.changed
            if changes.epoch != latest.epoch or len(changed) > MANY_CHANGES:
                index.close()
                self._read = None
                return None
            if changed:
                _fetch(index, [int(each.split()[0]) for each in changed], gallery)
            if changes.forgotten:
                index.drop(int(each) for each in changes.forgotten - latest.forgotten)
            if self._read is read:  # and no other thread was quicker
                self._read = _Read(index, changes)
            if size_in_bytes(len(index), gallery.dim) > self._memory:
                self._give_up()
                return None
            return index

    def _give_up(self) -> None:
        if self._read is not None:
            self._read.templates.close()
        self._read, self._memory = None, 0

    def _start_reading(self) -> Future[_Read | None]:
        """In a thread, for which nobody has to wait."""
        future: Future[_Read | None] = Future()

        def read() -> None:
            try:
                future.set_result(self._read_all())
            except BaseException as error:  # for whoever waits
                future.set_exception(error)

        threading.Thread(target=read, name="facenet gallery", daemon=True).start()
        return future

    def _read_all(self) -> _Read | None:
        """The whole gallery at one moment; None when it takes too much memory."""
        gallery = self._connect()
        with gallery.connection as connection:
            register_vector(connection)
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            with connection.transaction():
                [since] = gallery.one(_OLDEST_UNSEEN)
                inquiry = Inquiry(gallery)
                inquiry.ask(since)
                latest = inquiry.answer()
                [count] = gallery.one(_COUNT)
                if size_in_bytes(count, gallery.dim) > self._memory:
                    self._memory = 0
                    return None
                index: NearestIndex[_Entry] = NearestIndex(gallery.dim)
                self._read_into(index, count, gallery)
        return _Read(index, latest)

    def _read_into(self, index: NearestIndex[_Entry], count: int, gallery: Gallery) -> None:
        vectors = np.empty((count, gallery.dim), np.float32)
        numbers: list[int] = []
        entries: list[_Entry] = []
        with gallery.connection.cursor("templates") as cursor:
            cursor.execute(gallery.compose(_TEMPLATES), binary=True)
            while found := cursor.fetchmany(ROWS_AT_ONCE):
                if self._closed:
                    raise StoreUnavailable("the store is closed")
                more, theirs, what = _columns(found)
                vectors[len(numbers) : len(numbers) + len(more)] = theirs
                numbers += more
                entries += what
        index.put(numbers, vectors, entries)


def _fetch(index: NearestIndex[_Entry], numbers: list[int], gallery: Gallery) -> None:
    query = _TEMPLATES + " WHERE id = ANY(%s)"
    found = gallery.execute(query, [numbers], binary=True).fetchall()
    if found:
        index.put(*_columns(found))


def _columns(found: Sequence[TupleRow]) -> tuple[list[int], Vector, list[_Entry]]:
    numbers, vectors, *others = zip(*found, strict=True)
    return (
        list(numbers),
        np.stack([rows.vector(each) for each in vectors]),
        [_Entry(*entry) for entry in zip(*others, strict=True)],
    )


def _matches(answer: list[tuple[_Entry, float]], top_k: int, min_similarity: float) -> list[Match]:
    """The first `top_k`; those that tie come in order of name."""
    answer.sort(key=lambda found: (-found[1], found[0].name))
    return [
        Match(entry.name, similarity, entry.samples, _parsed(entry.metadata))
        for entry, similarity in answer[:top_k]
        if similarity >= min_similarity
    ]


def _parsed(metadata: str) -> dict[str, Any]:
    return {} if metadata == "{}" else json.loads(metadata)
