"""The gallery in PostgreSQL: every call is one transaction, through a small pool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from pgvector.psycopg import register_vector
from psycopg_pool import ConnectionPool, PoolTimeout

from facenet.curated_stores import HeldSample, LogEntry, Successor
from facenet.errors import StoreError
from facenet.gallery import (
    check_transfer,
    checked_addition,
    checked_additions,
    checked_embeddings,
    checked_filter,
    checked_identity,
)
from facenet.stores import Addition, Finding, IdentityRecord, Match, Receipt, Samples, StoreStats
from facenet_pgvector import (
    Options,
    bulk,
    checking,
    connections,
    curation,
    enrolment,
    history,
    purging,
    queries,
    rows,
    succession,
)
from facenet_pgvector.failures import committing, connecting, working
from facenet_pgvector.replica import Replica
from facenet_pgvector.schema import Tables, open_gallery
from facenet_pgvector.server_search import ServerSearch
from facenet_pgvector.servers import reach, tables_of

if TYPE_CHECKING:
    from facenet.stores import Template
    from facenet.types import Vector

ROWS_AT_ONCE = 1000


def open_store(options: Options, embedding_dim: int, space: str) -> PgVectorStore:
    """Reach or start the server and open the gallery in it; raises `StoreError`."""
    with ExitStack() as resources:
        server, parameters = reach(options, resources)
        tables = tables_of(options)
        with connecting(server):
            connection = connections.connect(parameters)
        with connection, working(server):
            tables, extension = open_gallery(connection, tables, embedding_dim, space)
            register_vector(connection)
            version = (connection.info.parameter_status("server_version") or "?").split()[0]
        place = options.host or "embedded"
        backend = f"pgvector ({place}, PostgreSQL {version}, pgvector {extension})"
        pool = resources.enter_context(connections.pool_of(parameters))
        binding = StoreStats(backend, 0, 0, embedding_dim, space)

        def connect() -> connections.PatientConnection:
            with connecting(server):
                return connections.connect(parameters)

        replica = Replica(connect, tables, embedding_dim, options.index_memory * 2**20)
        resources.callback(replica.close)
        search = ServerSearch(connect, tables, embedding_dim)
        resources.callback(search.close)
        return PgVectorStore(pool, tables, server, binding, replica, search, resources.pop_all())


class PgVectorStore:
    """A gallery in PostgreSQL; safe to share between threads and processes."""

    def __init__(
        self,
        pool: ConnectionPool[connections.PatientConnection],
        tables: Tables,
        server: str,
        binding: StoreStats,
        replica: Replica,
        search: ServerSearch,
        resources: ExitStack,
    ) -> None:
        self._pool = pool
        self._tables = tables
        self._sql = tables.compose
        self._server = server
        self._binding = binding
        self._replica = replica
        self._search = search
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
        crops: Sequence[bytes | None] | None = None,
    ) -> int:
        given = Addition(identity, embeddings, keys, metadata, weights, crops)
        checked = checked_addition(given, self._binding.embedding_dim)
        with self._change() as connection:
            return enrolment.enrol(connection, self._tables, checked, template)

    def enrol_many(
        self, additions: Sequence[Addition], *, template: Template | None = None
    ) -> list[int]:
        checked = checked_additions(additions, self._binding.embedding_dim)
        with self._change() as connection:
            return bulk.enrol_many(connection, self._tables, checked, template)

    def holds(self, keys: Sequence[tuple[str, str]]) -> list[bool]:
        digests = [[rows.digest(text) for text in column] for column in zip(*keys, strict=True)]
        with self._transaction() as connection:
            query = self._sql(queries.HOLDS)
            held = connection.execute(query, digests or [[], []], prepare=False).fetchall()
        return [holds for (holds,) in held]

    def search(
        self,
        probes: Vector,
        *,
        top_k: int = 5,
        min_similarity: float = -1.0,
        where: Mapping[str, Any] | None = None,
    ) -> list[list[Match]]:
        vectors = checked_embeddings(probes, self._binding.embedding_dim)
        wanted = checked_filter(where)
        if top_k < 1:
            raise StoreError(f"top_k must be at least 1, got {top_k}")
        limits = top_k, min_similarity
        if wanted:
            with self._transaction() as connection:
                return self._search.exact(connection, vectors, *limits, where=wanted)
        with working(self._server):
            found = self._replica.search(vectors, *limits)
        if found is not None:
            return found
        with self._transaction() as connection:
            if self._replica.outgrown:
                return self._search.indexed(connection, vectors, *limits)
            return self._search.exact(connection, vectors, *limits)

    def get(self, identity: str) -> IdentityRecord | None:
        with self._transaction() as connection:
            cursor = connection.execute(
                self._sql(queries.GET), [rows.digest(identity)], binary=True
            )
            row = cursor.fetchone()
        return rows.record(row) if row else None

    def samples(self, identity: str) -> Samples:
        with self._transaction() as connection:
            query = self._sql(queries.SAMPLES)
            found = connection.execute(query, [rows.digest(identity)], binary=True).fetchall()
        return rows.samples(found, self._binding.embedding_dim)

    def crops(self, identity: str) -> list[bytes | None]:
        with self._transaction() as connection:
            query = self._sql(queries.CROPS)
            cursor = connection.execute(query, [rows.digest(identity)], binary=True)
            return [crop for (crop,) in cursor]

    def holdings(self, identity: str) -> list[HeldSample]:
        with self._transaction() as connection:
            return curation.holdings(connection, self._tables, identity)

    def rename(self, identity: str, to: str) -> None:
        checked_identity(to)
        with self._change() as connection:
            curation.rename(connection, self._tables, identity, to)

    def transfer(
        self,
        identity: str,
        to: str,
        *,
        samples: Sequence[int] | None = None,
        template: Template | None = None,
    ) -> int:
        check_transfer(identity, to)
        dim = self._binding.embedding_dim
        with self._change() as connection:
            return curation.transfer(connection, self._tables, identity, to, dim, samples, template)

    def erase(
        self, identity: str, samples: Sequence[int], *, template: Template | None = None
    ) -> int:
        dim = self._binding.embedding_dim
        with self._change() as connection:
            return curation.erase(connection, self._tables, identity, dim, samples, template)

    def older(self, than: datetime) -> Iterator[tuple[str, list[int]]]:
        with self._transaction() as connection:
            yield from curation.older(connection, self._tables, than)

    def history(self, *, identity: str | None = None, limit: int | None = None) -> list[LogEntry]:
        with self._transaction() as connection:
            return history.history(connection, self._tables, identity, limit)

    def undo(self, number: int, *, template: Template | None = None) -> LogEntry:
        dim = self._binding.embedding_dim
        with self._change() as connection:
            return history.undo(connection, self._tables, number, dim, template)

    def successor(self, embedding_dim: int, space: str) -> Successor:
        return succession.PgSuccessor(self._long_change, self._tables, embedding_dim, space)

    def abandon(self) -> Literal["unfinished", "former"] | None:
        with self._long_change() as connection:
            return succession.abandon(connection, self._tables)

    def purge(self) -> None:
        with self._transaction() as connection:
            connection.patience = None
            purging.purge(connection, self._tables)

    def identities(
        self, *, after: str | None = None, limit: int | None = None
    ) -> Iterator[IdentityRecord]:
        with self._transaction() as connection, connection.cursor("identities") as cursor:
            cursor.itersize = ROWS_AT_ONCE
            page = {"after": after, "limit": limit}
            cursor.execute(self._sql(queries.PAGE), page, binary=True)
            yield from map(rows.record, cursor)

    def forget(self, identity: str) -> Receipt:
        with self._change() as connection:
            query, digest = self._sql(queries.FORGET), rows.digest(identity)
            gone = connection.execute(query, {"digest": digest}).fetchall()
            rows_gone = [row for row, _ in gone]
            curation.erase_elsewhere(connection, self._tables, identities=rows_gone)
        return Receipt(identity, sum(samples for _, samples in gone), datetime.now(UTC))

    def count(self) -> int:
        return self.stats().identities

    def stats(self) -> StoreStats:
        with self._transaction() as connection:
            identities, samples = rows.only(connection.execute(self._sql(queries.STATS)).fetchone())
        return replace(self._binding, identities=identities, samples=samples)

    def check(self, *, repair: bool = False) -> Iterator[Finding]:
        dim = self._binding.embedding_dim
        return checking.check(self._change, self._tables, dim, repair=repair)

    def wait_for_index(self) -> None:
        """Until the gallery is in memory with its index; searches are right before, and slower."""
        with working(self._server):
            self._replica.settle()

    def close(self) -> None:
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[connections.PatientConnection]:
        with working(self._server):
            try:
                with self._pool.connection() as connection:
                    yield connection
            except PoolTimeout:
                with connecting(self._server):
                    connections.probe(self._pool)
                raise  # The server lets others in.

    @contextmanager
    def _change(self) -> Iterator[connections.PatientConnection]:
        """A transaction that writes."""
        with self._transaction() as connection:
            yield connection
            with committing(self._server):
                connection.commit()

    @contextmanager
    def _long_change(self) -> Iterator[connections.PatientConnection]:
        """One that may take as long as it needs."""
        with self._change() as connection:
            connection.patience = None
            yield connection
