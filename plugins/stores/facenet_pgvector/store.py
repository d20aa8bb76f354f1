"""The gallery in PostgreSQL: every call is one transaction, through a small pool."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import psycopg
from pgvector import Vector as SqlVector
from pgvector.psycopg import register_vector
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from facenet.errors import StoreError
from facenet.gallery import (
    SMALLEST_SUM,
    checked_embeddings,
    checked_identity,
    checked_keys,
    checked_metadata,
    fresh_rows,
)
from facenet.types import IdentityRecord, Match, Receipt, StoreStats
from facenet_pgvector import Options, queries
from facenet_pgvector.failures import connecting, working
from facenet_pgvector.schema import Tables, open_gallery

if TYPE_CHECKING:
    from facenet.types import Vector

# What the pool would log comes out as a StoreError; a user should not read it twice.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)

WAIT_SECONDS = 5
MAX_CONNECTIONS = 8
ROWS_AT_ONCE = 1000


def open_store(options: Options, embedding_dim: int, space: str) -> PgVectorStore:
    """Reach or start the server and open the gallery in it; raises `StoreError`."""
    with ExitStack() as resources:
        if options.data_dir is not None:
            from facenet_pgvector.embedded import EmbeddedServer

            embedded = resources.enter_context(EmbeddedServer(options.data_dir))
            server, parameters = str(embedded), embedded.parameters
        else:
            server, parameters = f"PostgreSQL at {options.host}:{options.port}", _remote(options)
        parameters |= {"connect_timeout": WAIT_SECONDS, "client_encoding": "UTF8"}
        identities = options.identity_table or f"{options.table}_identities"
        tables = Tables(options.table, identities)
        with connecting(server):
            connection = psycopg.connect(**parameters, autocommit=True)
        with connection, working(server):
            extension = open_gallery(connection, tables, embedding_dim, space)
            register_vector(connection)
            version = (connection.info.parameter_status("server_version") or "?").split()[0]
        place = options.host or "embedded"
        backend = f"pgvector ({place}, PostgreSQL {version}, pgvector {extension})"
        pool = resources.enter_context(_pool(parameters))
        binding = StoreStats(backend, 0, 0, embedding_dim, space)
        return PgVectorStore(pool, tables, server, binding, resources.pop_all())


def _remote(options: Options) -> dict[str, Any]:
    return {
        "host": options.host,
        "port": options.port,
        "dbname": options.name,
        "user": options.user,
        "password": options.password.get_secret_value() if options.password else None,
        "sslmode": options.sslmode,
        "application_name": "facenet",
    }


def _pool(parameters: dict[str, Any]) -> ConnectionPool[Connection[TupleRow]]:
    return ConnectionPool(
        kwargs=parameters,
        min_size=1,
        max_size=MAX_CONNECTIONS,
        timeout=WAIT_SECONDS,
        reconnect_timeout=WAIT_SECONDS,
        configure=register_vector,
        check=ConnectionPool.check_connection,
        open=True,
    )


class PgVectorStore:
    """A gallery in PostgreSQL; safe to share between threads and processes."""

    def __init__(
        self,
        pool: ConnectionPool[Connection[TupleRow]],
        tables: Tables,
        server: str,
        binding: StoreStats,
        resources: ExitStack,
    ) -> None:
        self._pool = pool
        self._server = server
        self._binding = binding
        self._resources = resources
        self._sql = tables.compose

    def enrol(
        self,
        identity: str,
        embeddings: Vector,
        *,
        keys: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> int:
        name = checked_identity(identity)
        vectors = checked_embeddings(embeddings, self._binding.embedding_dim)
        checked_keys(keys, len(vectors))
        extra = Jsonb(checked_metadata(metadata))
        with self._transaction() as connection:
            if not len(vectors):
                connection.execute(self._sql(queries.DESCRIBE), [extra, _digest(name)])
                return 0
            row = self._lock(connection, name, extra)
            return self._add(connection, row, name, vectors, keys)

    def _lock(self, connection: Connection[TupleRow], name: str, metadata: Jsonb) -> int:
        """Hold the row of an identity, made when new, until the end of the transaction."""
        zero = SqlVector(np.zeros(self._binding.embedding_dim, np.float32))
        found = connection.execute(self._sql(queries.LOCK), [name, _digest(name), zero, metadata])
        return int(_one(found.fetchone())[0])

    def _add(
        self,
        connection: Connection[TupleRow],
        row: int,
        name: str,
        vectors: Vector,
        keys: Sequence[str] | None,
    ) -> int:
        digests = [_digest(key) for key in keys] if keys is not None else []
        fresh = list(range(len(vectors)))
        if keys is not None:
            held = connection.execute(self._sql(queries.HELD_KEYS), [row, digests]).fetchall()
            fresh = fresh_rows(digests, {digest for (digest,) in held})
        samples = [
            (row, SqlVector(vectors[i]), *((keys[i], digests[i]) if keys else (None, None)))
            for i in fresh
        ]
        if not samples:
            return 0
        connection.cursor().executemany(self._sql(queries.ADD_SAMPLE), samples)
        added = SqlVector(vectors[fresh].sum(axis=0, dtype=np.float64).astype(np.float32))
        changed = connection.execute(self._sql(queries.ADD_TO_SUM), [added, len(fresh), row])
        if _one(changed.fetchone())[0] < SMALLEST_SUM:
            raise StoreError(f"the samples of {name!r} cancel out and have no mean direction")
        return len(fresh)

    def search(
        self, probes: Vector, *, top_k: int = 5, min_similarity: float = -1.0
    ) -> list[list[Match]]:
        vectors = checked_embeddings(probes, self._binding.embedding_dim)
        if top_k < 1:
            raise StoreError(f"top_k must be at least 1, got {top_k}")
        with self._transaction() as connection:
            cursors = [
                connection.execute(
                    self._sql(queries.NEAREST),
                    [SqlVector(vector), top_k, min_similarity],
                    binary=True,
                )
                for vector in vectors
            ]
            return [[Match(*row) for row in cursor.fetchall()] for cursor in cursors]

    def get(self, identity: str) -> IdentityRecord | None:
        with self._transaction() as connection:
            cursor = connection.execute(self._sql(queries.GET), [_digest(identity)], binary=True)
            row = cursor.fetchone()
        return _record(row) if row else None

    def identities(self) -> Iterator[IdentityRecord]:
        with self._transaction() as connection, connection.cursor("identities") as cursor:
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(self._sql(queries.ALL), binary=True)
            yield from map(_record, cursor)

    def forget(self, identity: str) -> Receipt:
        with self._transaction() as connection:
            row = connection.execute(self._sql(queries.FORGET), [_digest(identity)]).fetchone()
        return Receipt(identity, row[0] if row else 0, datetime.now(UTC))

    def count(self) -> int:
        return self.stats().identities

    def stats(self) -> StoreStats:
        with self._transaction() as connection:
            identities, samples = _one(connection.execute(self._sql(queries.STATS)).fetchone())
        return replace(self._binding, identities=identities, samples=samples)

    def close(self) -> None:
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[Connection[TupleRow]]:
        with working(self._server), self._pool.connection() as connection:
            yield connection


def _record(row: TupleRow) -> IdentityRecord:
    name, samples, centroid, metadata = row
    # Before 0.5 the pgvector package gave arrays.
    vector = centroid.to_numpy() if isinstance(centroid, SqlVector) else centroid
    return IdentityRecord(name, samples, np.asarray(vector, np.float32), metadata)


def _digest(text: str) -> bytes:
    """SHA-256 of a text; of any text, so that asking for an impossible name finds nothing."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _one(row: TupleRow | None) -> TupleRow:
    assert row is not None, "the statement returns one row"
    return row
