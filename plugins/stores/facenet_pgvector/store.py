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
from facenet.gallery import (
    check_transfer,
    checked_addition,
    checked_additions,
    checked_identity,
    checked_search,
)
from facenet.stores import Addition, Finding, IdentityRecord, Match, Receipt, Samples, StoreStats
from facenet_pgvector import (
    Options,
    bulk,
    checking,
    connections,
    curation,
    enrolment,
    log,
    purging,
    rows,
    succession,
    undoing,
)
from facenet_pgvector.failures import committing, connecting, working
from facenet_pgvector.replica import Replica
from facenet_pgvector.schema import COUNTS, open_gallery, versions
from facenet_pgvector.server_search import ServerSearch, exact
from facenet_pgvector.servers import reach, tables_of
from facenet_pgvector.tables import Gallery, Tables

if TYPE_CHECKING:
    from facenet.stores import Template
    from facenet.types import Vector

_HOLDS = """
SELECT key_digest IS NOT NULL
FROM unnest(%s::bytea[], %s::bytea[]) WITH ORDINALITY AS given(digest, key, place)
LEFT JOIN {identities} AS held ON held.name_digest = given.digest
LEFT JOIN {embeddings} ON identity_id = held.id AND key_digest = given.key
ORDER BY place
"""
_GET = "SELECT name, samples, centroid, metadata FROM {identities} WHERE name_digest = %s"
_THEIRS = """ FROM {embeddings}
WHERE identity_id = (SELECT id FROM {identities} WHERE name_digest = %s) ORDER BY id
"""
_SAMPLES = "SELECT embedding, weight" + _THEIRS
_CROPS = "SELECT crop" + _THEIRS
_PAGE = """
SELECT name, samples, centroid, metadata FROM {identities}
WHERE name COLLATE "C" > %(after)s OR %(after)s::text IS NULL
ORDER BY name COLLATE "C" LIMIT %(limit)s
"""
ROWS_AT_ONCE = 1000


def open_store(options: Options, embedding_dim: int, space: str) -> PgVectorStore:
    """Reach or start the server and open the gallery in it; raises `StoreError`."""
    with ExitStack() as resources:
        server, parameters = reach(options, resources)
        with connecting(server):
            connection = connections.connect(parameters)
        with connection, working(server):
            tables = open_gallery(connection, tables_of(options), embedding_dim, space).tables
            register_vector(connection)
            version, extension = versions(connection)
        place = f"{options.host or 'embedded'}, PostgreSQL {version}, pgvector {extension}"
        pool = resources.enter_context(connections.pool_of(parameters))
        binding = StoreStats(f"pgvector ({place})", 0, 0, embedding_dim, space)

        def connect() -> Gallery:
            with connecting(server):
                return Gallery(connections.connect(parameters), tables, embedding_dim)

        replica = Replica(connect, options.index_memory * 2**20)
        resources.callback(replica.close)
        search = ServerSearch(connect)
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
        with self._change() as gallery:
            return enrolment.enrol(gallery, checked, template)

    def enrol_many(
        self, additions: Sequence[Addition], *, template: Template | None = None
    ) -> list[int]:
        checked = checked_additions(additions, self._binding.embedding_dim)
        with self._change() as gallery:
            return bulk.enrol_many(gallery, checked, template)

    def holds(self, keys: Sequence[tuple[str, str]]) -> list[bool]:
        digests = [[rows.digest(text) for text in column] for column in zip(*keys, strict=True)]
        with self._transaction() as gallery:
            held = gallery.execute(_HOLDS, digests or [[], []], prepare=False).fetchall()
        return [holds for (holds,) in held]

    def search(
        self,
        probes: Vector,
        *,
        top_k: int = 5,
        min_similarity: float = -1.0,
        where: Mapping[str, Any] | None = None,
    ) -> list[list[Match]]:
        vectors, wanted = checked_search(probes, self._binding.embedding_dim, top_k, where)
        limits = top_k, min_similarity
        if wanted:
            with self._transaction() as gallery:
                return exact(gallery, vectors, *limits, where=wanted)
        with working(self._server):
            found = self._replica.search(vectors, *limits)
        if found is not None:
            return found
        with self._transaction() as gallery:
            if self._replica.outgrown:
                return self._search.indexed(gallery, vectors, *limits)
            return exact(gallery, vectors, *limits)

    def get(self, identity: str) -> IdentityRecord | None:
        with self._transaction() as gallery:
            row = gallery.execute(_GET, [rows.digest(identity)], binary=True).fetchone()
        return rows.record(row) if row else None

    def samples(self, identity: str) -> Samples:
        with self._transaction() as gallery:
            found = gallery.execute(_SAMPLES, [rows.digest(identity)], binary=True).fetchall()
        return rows.samples(found, self._binding.embedding_dim)

    def crops(self, identity: str) -> list[bytes | None]:
        with self._transaction() as gallery:
            found = gallery.execute(_CROPS, [rows.digest(identity)], binary=True)
            return [crop for (crop,) in found]

    def holdings(self, identity: str) -> list[HeldSample]:
        with self._transaction() as gallery:
            return curation.holdings(gallery, identity)

    def rename(self, identity: str, to: str) -> None:
        checked_identity(to)
        with self._change() as gallery:
            curation.rename(gallery, identity, to)

    def transfer(
        self,
        identity: str,
        to: str,
        *,
        samples: Sequence[int] | None = None,
        template: Template | None = None,
    ) -> int:
        check_transfer(identity, to)
        with self._change() as gallery:
            return curation.transfer(gallery, identity, to, samples, template)

    def erase(
        self, identity: str, samples: Sequence[int], *, template: Template | None = None
    ) -> int:
        with self._change() as gallery:
            return curation.erase(gallery, identity, samples, template)

    def older(self, than: datetime) -> Iterator[tuple[str, list[int]]]:
        with self._transaction() as gallery:
            yield from curation.older(gallery, than)

    def history(self, *, identity: str | None = None, limit: int | None = None) -> list[LogEntry]:
        with self._transaction() as gallery:
            return log.entries(gallery, identity, limit)

    def undo(self, number: int, *, template: Template | None = None) -> LogEntry:
        with self._change() as gallery:
            return undoing.undo(gallery, number, template)

    def successor(self, embedding_dim: int, space: str) -> Successor:
        return succession.PgSuccessor(self._long_change, embedding_dim, space)

    def abandon(self) -> Literal["unfinished", "former"] | None:
        with self._long_change() as gallery:
            return succession.abandon(gallery)

    def purge(self) -> None:
        with self._transaction() as gallery:
            gallery.connection.patience = None
            purging.purge(gallery)

    def identities(
        self, *, after: str | None = None, limit: int | None = None
    ) -> Iterator[IdentityRecord]:
        with self._transaction() as gallery, gallery.connection.cursor("identities") as cursor:
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(gallery.compose(_PAGE), {"after": after, "limit": limit}, binary=True)
            yield from map(rows.record, cursor)

    def forget(self, identity: str) -> Receipt:
        with self._change() as gallery:
            erased = curation.forget(gallery, identity)
        return Receipt(identity, erased, datetime.now(UTC))

    def count(self) -> int:
        return self.stats().identities

    def stats(self) -> StoreStats:
        with self._transaction() as gallery:
            identities, samples = gallery.one(COUNTS)
        return replace(self._binding, identities=identities, samples=samples)

    def check(self, *, repair: bool = False) -> Iterator[Finding]:
        return checking.check(self._change, repair=repair)

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
    def _transaction(self) -> Iterator[Gallery]:
        with working(self._server):
            try:
                with self._pool.connection() as connection:
                    yield Gallery(connection, self._tables, self._binding.embedding_dim)
            except PoolTimeout:
                with connecting(self._server):
                    connections.probe(self._pool)
                raise  # The server lets others in.

    @contextmanager
    def _change(self) -> Iterator[Gallery]:
        """A transaction that writes."""
        with self._transaction() as gallery:
            yield gallery
            with committing(self._server):
                gallery.connection.commit()

    @contextmanager
    def _long_change(self) -> Iterator[Gallery]:
        """One that may take as long as it needs."""
        with self._change() as gallery:
            gallery.connection.patience = None
            yield gallery
