"""Search by the server: a comparison with all, or pgvector's HNSW index for a large gallery.

The index is made when a gallery has outgrown the memory of this process, beside what else goes on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg
from pgvector import Vector as SqlVector
from psycopg import Connection, sql
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from facenet.errors import StoreError
from facenet.stores import Match
from facenet_pgvector import queries, rows
from facenet_pgvector.connections import PatientConnection
from facenet_pgvector.schema import Tables

if TYPE_CHECKING:
    from facenet.types import Vector

FEW = 10_000
"""Identities that are compared one by one."""
WIDTH, WIDEST = 100, 1000
"""Candidates that a search of the index follows at least, and at most: pgvector's limit."""
INDEX_MEMORY = "512MB"
"""Of the server's, while it makes the index; what does not fit makes it slow, not impossible."""
_logger = logging.getLogger(__name__)


class ServerSearch:
    """Search in the tables of a gallery of dimension `dim`; `connect` gives a connection to make an
    index by."""

    def __init__(self, connect: Callable[[], PatientConnection], tables: Tables, dim: int) -> None:
        self._connect = connect
        self._dim = dim
        self._tables = tables
        self._lock = threading.Lock()
        self._has_index = False
        self._making: threading.Thread | None = None
        self._closed = False
        self._connection: PatientConnection | None = None

    def exact(
        self,
        connection: Connection[TupleRow],
        probes: Vector,
        top_k: int,
        min_similarity: float,
        where: dict[str, Any] | None = None,
    ) -> list[list[Match]]:
        """As `Store.search`, for checked probes and a checked filter."""
        if not where:
            return self._matches(connection, queries.NEAREST, probes, top_k, min_similarity)
        query, wanted = queries.NEAREST_AMONG, Jsonb(where)
        return self._matches(connection, query, probes, top_k, min_similarity, where=wanted)

    def indexed(
        self, connection: Connection[TupleRow], probes: Vector, top_k: int, min_similarity: float
    ) -> list[list[Match]]:
        """The same, by the index where there is one; it may miss some."""
        fetched = 2 * top_k + 20
        if 2 * fetched > WIDEST or not self._is_indexed(connection):
            return self.exact(connection, probes, top_k, min_similarity)
        width = max(WIDTH, 2 * fetched)
        connection.execute(f"SET LOCAL hnsw.ef_search = {width}")
        connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
        return self._matches(
            connection, queries.NEAREST_INDEXED, probes, top_k, min_similarity, fetched=fetched
        )

    def close(self) -> None:
        """Give up an index that is being made."""
        with self._lock:
            self._closed = True
            making, connection = self._making, self._connection
        if making is not None:
            if connection is not None:
                connection.cancel()
            making.join()

    def _composed(self, statement: str) -> sql.Composed:
        """SQL about an index of numbers in full or, of many dimensions, in half precision."""
        kind = sql.SQL("vector" if self._dim <= 2000 else "halfvec")
        indexed = sql.SQL("(centroid::{}({}))").format(kind, sql.Literal(self._dim))
        return self._tables.compose(statement, kind=kind, indexed=indexed)

    def _matches(
        self,
        connection: Connection[TupleRow],
        query: str,
        probes: Vector,
        top_k: int,
        min_similarity: float,
        **others: Any,
    ) -> list[list[Match]]:
        composed = self._composed(query)
        limits = {"count": top_k, "least": min_similarity, **others}
        cursors = [
            connection.execute(composed, {"probe": SqlVector(probe), **limits}, binary=True)
            for probe in probes
        ]
        return [[Match(*row) for row in cursor.fetchall()] for cursor in cursors]

    def _is_indexed(self, connection: Connection[TupleRow]) -> bool:
        """Whether the index is there; lets it be made where it should be."""
        with self._lock:
            if not self._has_index and self._making is None and self._dim <= 4000:
                [valid, many] = rows.only(
                    connection.execute(self._composed(queries.HAS_INDEX), {"few": FEW}).fetchone()
                )
                self._has_index = valid
                if many and not valid:
                    self._making = threading.Thread(target=self._make, name="facenet hnsw")
                    self._making.start()
            return self._has_index

    def _make(self) -> None:
        try:
            with self._connect() as connection:
                with self._lock:
                    if self._closed:
                        return
                    self._connection = connection
                connection.patience = None
                connection.execute(f"SET maintenance_work_mem = '{INDEX_MEMORY}'")
                [mine] = rows.only(
                    connection.execute(self._composed(queries.LOCK_INDEX)).fetchone()
                )
                if mine:  # Another process makes it otherwise.
                    connection.execute(self._composed(queries.DROP_INDEX))
                    connection.execute(self._composed(queries.MAKE_INDEX))
        except (psycopg.Error, StoreError) as error:
            if not self._closed:  # Searches are right without it.
                _logger.warning("no HNSW index was made, so that searches take long: %s", error)
        finally:
            with self._lock:
                self._connection = None
                self._making = None
