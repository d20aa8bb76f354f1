"""The templates of a gallery in this process's memory, for search; brought up to date by each call.

A search first asks the server, in one statement, what has changed since the former one: which
identities were changed, and which forgotten, by transactions that the former statement may not have
seen. So whatever was committed before a search began, by whatever process, is seen by it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pgvector.psycopg import register_vector
from psycopg import Connection, IsolationLevel, OperationalError
from psycopg.rows import TupleRow

from facenet.errors import StoreError
from facenet.types import Match
from facenet_pgvector import queries, rows
from facenet_pgvector.connections import WAIT_SECONDS, PatientConnection
from facenet_pgvector.nearest import NearestIndex, size_in_bytes

if TYPE_CHECKING:
    from facenet.types import Vector
    from facenet_pgvector.schema import Tables

LOAD_SECONDS = 1.0
"""Searches wait so long for a gallery that is being read; then the server answers them."""
MANY_CHANGES = 20_000
"""With more the gallery is read anew."""
ROWS_AT_ONCE = 1000


class _Entry(NamedTuple):
    name: str
    samples: int
    metadata: str


class _State(NamedTuple):
    """What the server said: transactions from `since` on may have been unseen, except for what is
    `seen`; in another `epoch` all that was read is void."""

    epoch: str
    since: str
    seen: frozenset[str]


class _Read(NamedTuple):
    templates: NearestIndex[_Entry]
    state: _State


class Replica:
    """Search over the templates of a gallery of dimension `dim`, as long as these take no more than
    `memory` bytes; safe to share between threads. Each call raises `StoreError` or what psycopg
    does."""

    def __init__(
        self, connect: Callable[[], PatientConnection], tables: Tables, dim: int, memory: int
    ) -> None:
        self._connect = connect
        self._sql = tables.compose
        self._changes = tables.compose(queries.CHANGES).as_string()
        self._dim = dim
        self._memory = memory
        self._lock = threading.Lock()
        self._connection: PatientConnection | None = None
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
        index = self._updated()
        if index is None:
            return None
        return [_matches(answer, top_k, min_similarity) for answer in index.search(probes, top_k)]

    def settle(self) -> None:
        """Wait until the gallery is read and its index built."""
        while True:
            with self._lock:
                read, reading = self._read, self._reading
            if reading is not None:
                reading.exception()
                self._adopt(reading)
            elif read is not None:
                return read.templates.wait()
            elif self._updated() is None and self.outgrown:
                return None

    def close(self) -> None:
        with self._lock:
            self._closed = True
            reading = self._reading
            if self._connection is not None:
                self._connection.close()
            if self._read is not None:
                self._read.templates.close()
        if reading is not None:
            reading.exception()

    def _updated(self) -> NearestIndex[_Entry] | None:
        """The index with all that was committed before this call."""
        while True:
            with self._lock:
                if self._closed:
                    raise StoreError("the store is closed")
                if self.outgrown or self._is_current():
                    return None if self._read is None else self._read.templates
                if self._reading is None:
                    self._reading = self._start_reading()
                    self._waited_for = time.monotonic() + LOAD_SECONDS
                reading = self._reading
            try:
                read = reading.result(max(0, self._waited_for - time.monotonic()))
            except TimeoutError:
                return None
            finally:
                self._adopt(reading)
            if read is None:
                return None

    def _adopt(self, reading: Future[_Read | None]) -> None:
        """Take over what was read, once."""
        with self._lock:
            if self._reading is reading and reading.done():
                self._reading = None
                if not self._closed and reading.exception() is None:
                    self._read = reading.result()

    def _is_current(self) -> bool:
        """Bring what was read up to date; False when all has to be read."""
        if self._read is None:
            return False
        answer = self._ask(self._read.state.since)
        index, former = self._read
        state, changed, forgotten = answer
        changed = [row for row in changed if row not in former.seen]
        if state.epoch != former.epoch or len(changed) > MANY_CHANGES:
            index.close()
            self._read = None
            return False
        if changed:
            self._fetch(index, [int(row.split()[0]) for row in changed])
        if forgotten:
            index.drop(forgotten)
        self._read = _Read(index, state)
        if size_in_bytes(len(index), self._dim) > self._memory:
            self._give_up()
        return True

    def _give_up(self) -> None:
        if self._read is not None:
            self._read.templates.close()
        self._read, self._memory = None, 0

    def _ask(self, since: str) -> tuple[_State, list[str], list[int]]:
        """What has changed; by a new connection where the former one was lost, as by a restart."""
        if self._connection is not None:
            try:
                return _asked(self._connection, self._changes, since)
            except OperationalError:
                if not self._connection.closed:
                    raise
        self._connection = self._connect()
        self._connection.patience = WAIT_SECONDS
        # There are no statistics of the newest rows, and the plan stays the same.
        self._connection.execute(
            "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan"
        )
        register_vector(self._connection)
        return _asked(self._connection, self._changes, since)

    def _fetch(self, index: NearestIndex[_Entry], numbers: list[int]) -> None:
        assert self._connection is not None
        query = self._sql(queries.TEMPLATES + " WHERE id = ANY(%s)")
        found = self._connection.execute(query, [numbers], binary=True).fetchall()
        if found:
            index.put(*_columns(found))

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
        with self._connect() as connection:
            register_vector(connection)
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            with connection.transaction():
                [since] = rows.only(connection.execute(queries.OLDEST_UNSEEN).fetchone())
                state, changed, _ = _asked(connection, self._changes, since)
                [count] = rows.only(connection.execute(self._sql(queries.COUNT)).fetchone())
                if size_in_bytes(count, self._dim) > self._memory:
                    self._memory = 0
                    return None
                index: NearestIndex[_Entry] = NearestIndex(self._dim)
                self._read_into(index, count, connection)
        return _Read(index, state._replace(seen=frozenset(changed)))

    def _read_into(
        self, index: NearestIndex[_Entry], count: int, connection: Connection[TupleRow]
    ) -> None:
        vectors = np.empty((count, self._dim), np.float32)
        numbers: list[int] = []
        entries: list[_Entry] = []
        with connection.cursor("templates") as cursor:
            cursor.execute(self._sql(queries.TEMPLATES), binary=True)
            while found := cursor.fetchmany(ROWS_AT_ONCE):
                if self._closed:
                    raise StoreError("the store is closed")
                more, theirs, what = _columns(found)
                vectors[len(numbers) : len(numbers) + len(more)] = theirs
                numbers += more
                entries += what
        index.put(numbers, vectors, entries)


def _asked(
    connection: Connection[TupleRow], query: str, since: str
) -> tuple[_State, list[str], list[int]]:
    answer = connection.execute(query, {"since": since}, prepare=True).fetchone()
    epoch, unseen, changed, forgotten = rows.only(answer)
    return _State(epoch, unseen, frozenset(changed)), changed, forgotten


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
        Match(entry.name, similarity, entry.samples, json.loads(entry.metadata))
        for entry, similarity in answer[:top_k]
        if similarity >= min_similarity
    ]
