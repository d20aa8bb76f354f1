"""The gallery in PostgreSQL: every call is one transaction, through a small pool."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import psycopg
from pgvector import Vector as SqlVector
from pgvector.psycopg import register_vector
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from facenet.errors import StoreError
from facenet.gallery import (
    checked_embeddings,
    checked_identity,
    checked_keys,
    checked_metadata,
    checked_weights,
)
from facenet.types import IdentityRecord, Match, Receipt, Samples, StoreStats
from facenet_pgvector import Options, enrolment, queries, rows
from facenet_pgvector.failures import connecting, working
from facenet_pgvector.schema import Tables, open_gallery

if TYPE_CHECKING:
    from facenet.types import Template, Vector

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
        self._tables = tables
        self._sql = tables.compose
        self._server = server
        self._binding = binding
        self._resources = resources

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
        vectors = checked_embeddings(embeddings, self._binding.embedding_dim)
        checked_keys(keys, len(vectors))
        given = Samples(vectors, checked_weights(weights, len(vectors)))
        extra = checked_metadata(metadata)
        with self._transaction() as connection:
            return enrolment.enrol(
                connection,
                self._tables,
                identity,
                given,
                keys=keys,
                metadata=extra,
                template=template,
            )

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
            cursor = connection.execute(
                self._sql(queries.GET), [rows.digest(identity)], binary=True
            )
            row = cursor.fetchone()
        return rows.record(row) if row else None

    def samples(self, identity: str) -> Samples:
        with self._transaction() as connection:
            dim = self._binding.embedding_dim
            return enrolment.read_samples(connection, self._tables, identity, dim)

    def identities(self) -> Iterator[IdentityRecord]:
        with self._transaction() as connection, connection.cursor("identities") as cursor:
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(self._sql(queries.ALL), binary=True)
            yield from map(rows.record, cursor)

    def forget(self, identity: str) -> Receipt:
        with self._transaction() as connection:
            row = connection.execute(self._sql(queries.FORGET), [rows.digest(identity)]).fetchone()
        return Receipt(identity, row[0] if row else 0, datetime.now(UTC))

    def count(self) -> int:
        return self.stats().identities

    def stats(self) -> StoreStats:
        with self._transaction() as connection:
            identities, samples = rows.only(connection.execute(self._sql(queries.STATS)).fetchone())
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
