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
from psycopg.types.json import Jsonb

from facenet.errors import StoreError
from facenet.stores import Match
from facenet_pgvector.connections import PatientConnection
from facenet_pgvector.tables import Gallery

if TYPE_CHECKING:
    from facenet.types import Vector

_NEAREST = """
SELECT name, 1 - distance, samples, metadata FROM (
    SELECT name, samples, metadata, centroid <=> %(probe)s AS distance
    FROM {identities} ORDER BY distance, name COLLATE "C" LIMIT %(count)s
) AS nearest
WHERE 1 - distance >= %(least)s ORDER BY distance, name COLLATE "C"
"""
_NEAREST_AMONG = _NEAREST.replace(
    "FROM {identities}", "FROM {identities} WHERE metadata @> %(where)s"
)
# By the index, which may be of rounded numbers, more than are asked for; of these the best.
_NEAREST_INDEXED = """
SELECT name, 1 - distance, samples, metadata FROM (
    SELECT name, samples, metadata, centroid <=> %(probe)s AS distance FROM (
        SELECT name, samples, metadata, centroid FROM {identities}
        ORDER BY (centroid::{kind}({dim})) <=> %(probe)s::vector::{kind} LIMIT %(fetched)s
    ) AS near
    ORDER BY distance, name COLLATE "C" LIMIT %(count)s
) AS nearest
WHERE 1 - distance >= %(least)s ORDER BY distance, name COLLATE "C"
"""
_HAS_INDEX = """
SELECT
    EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('{hnsw}') AND indisvalid),
    (SELECT count(*) FROM (SELECT FROM {identities} LIMIT %(few)s) AS first) = %(few)s
"""
_LOCK_INDEX = "SELECT pg_try_advisory_lock(hashtext('facenet index'), hashtext('{hnsw}'))"
# One that was left half made is of no use.
_DROP_INDEX = "DROP INDEX CONCURRENTLY IF EXISTS {hnsw}"
_MAKE_INDEX = """
CREATE INDEX CONCURRENTLY {hnsw} ON {identities}
USING hnsw ((centroid::{kind}({dim})) {kind}_cosine_ops)
"""

FEW = 10_000
"""Identities that are compared one by one."""
WIDTH, WIDEST = 100, 1000
"""Candidates that a search of the index follows at least, and at most: pgvector's limit."""
INDEX_MEMORY = "512MB"
"""Of the server's, while it makes the index; what does not fit makes it slow, not impossible."""
_logger = logging.getLogger(__name__)


class ServerSearch:
    """Search in the tables of a gallery; `connect` gives a connection to make an index by."""

    def __init__(self, connect: Callable[[], Gallery]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._has_index = False
        self._making: threading.Thread | None = None
        self._closed = False
        self._connection: PatientConnection | None = None

    def indexed(
        self, gallery: Gallery, probes: Vector, top_k: int, min_similarity: float
    ) -> list[list[Match]]:
        """As `exact`, by the index where there is one; it may miss some."""
        fetched = 2 * top_k + 20
        if 2 * fetched > WIDEST or not self._is_indexed(gallery):
            return exact(gallery, probes, top_k, min_similarity)
        width = max(WIDTH, 2 * fetched)
        gallery.execute(f"SET LOCAL hnsw.ef_search = {width}")
        gallery.execute("SET LOCAL hnsw.iterative_scan = strict_order")
        query = _of_kind(_NEAREST_INDEXED, gallery.dim)
        return _matches(gallery, query, probes, top_k, min_similarity, fetched=fetched)

    def close(self) -> None:
        """Give up an index that is being made."""
        with self._lock:
            self._closed = True
            making, connection = self._making, self._connection
        if making is not None:
            if connection is not None:
                connection.cancel()
            making.join()

    def _is_indexed(self, gallery: Gallery) -> bool:
        """Whether the index is there; lets it be made where it should be."""
        with self._lock:
            if not self._has_index and self._making is None and gallery.dim <= 4000:
                valid, many = gallery.one(_HAS_INDEX, {"few": FEW})
                self._has_index = valid
                if many and not valid:
                    self._making = threading.Thread(target=self._make, name="facenet hnsw")
                    self._making.start()
            return self._has_index

    def _make(self) -> None:
        try:
            gallery = self._connect()
            with gallery.connection as connection:
                with self._lock:
                    if self._closed:
                        return
                    self._connection = connection
                connection.patience = None
                gallery.execute(f"SET maintenance_work_mem = '{INDEX_MEMORY}'")
                [mine] = gallery.one(_LOCK_INDEX)
                if mine:  # Another process makes it otherwise.
                    gallery.execute(_DROP_INDEX)
                    gallery.execute(_of_kind(_MAKE_INDEX, gallery.dim))
        except (psycopg.Error, StoreError) as error:
            if not self._closed:  # Searches are right without it.
                _logger.warning("no HNSW index was made, so that searches take long: %s", error)
        finally:
            with self._lock:
                self._connection = None
                self._making = None


def exact(
    gallery: Gallery,
    probes: Vector,
    top_k: int,
    min_similarity: float,
    where: dict[str, Any] | None = None,
) -> list[list[Match]]:
    """As `Store.search`, for checked probes and a checked filter."""
    if not where:
        return _matches(gallery, _NEAREST, probes, top_k, min_similarity)
    return _matches(gallery, _NEAREST_AMONG, probes, top_k, min_similarity, where=Jsonb(where))


def _of_kind(statement: str, dim: int) -> str:
    """About an index of numbers in full or, of many dimensions, in half precision."""
    return statement.replace("{kind}", "vector" if dim <= 2000 else "halfvec")


def _matches(
    gallery: Gallery, query: str, probes: Vector, top_k: int, min_similarity: float, **others: Any
) -> list[list[Match]]:
    limits = {"count": top_k, "least": min_similarity, **others}
    cursors = [
        gallery.execute(query, {"probe": SqlVector(probe), **limits}, binary=True)
        for probe in probes
    ]
    return [[Match(*row) for row in cursor.fetchall()] for cursor in cursors]
