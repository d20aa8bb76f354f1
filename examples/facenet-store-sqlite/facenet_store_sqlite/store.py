"""The gallery: three tables, and a copy of the templates that is as fresh as the file."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from facenet.errors import StoreError, StoreUnavailable
from facenet.gallery import (
    checked_addition,
    checked_search,
    contains,
    fresh_rows,
    template_direction,
    weighted_sum,
)
from facenet.stores import (
    Addition,
    IdentityRecord,
    Match,
    Receipt,
    Samples,
    StoreStats,
    Template,
)

if TYPE_CHECKING:
    from facenet.types import Vector

PATIENCE = 30
"""Seconds to wait for another process that writes."""
_TABLES = """
CREATE TABLE IF NOT EXISTS binding (dim INTEGER NOT NULL, space TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS identities (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    samples INTEGER NOT NULL,
    centroid BLOB NOT NULL,
    metadata TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS samples (
    id INTEGER PRIMARY KEY,
    identity INTEGER NOT NULL REFERENCES identities ON DELETE CASCADE,
    embedding BLOB NOT NULL,
    weight REAL NOT NULL,
    key TEXT,
    UNIQUE (identity, key)
);
"""
_LOCK = """
INSERT INTO identities (name, samples, centroid, metadata) VALUES (?, 0, x'', '{}')
ON CONFLICT (name) DO UPDATE SET name = name RETURNING id, metadata
"""
_PAGE = """
SELECT name, samples, centroid, metadata FROM identities
WHERE name > ? OR ? IS NULL ORDER BY name LIMIT ?
"""


class _Templates(NamedTuple):
    """All records in order of name, and their centroids as one (N, D) array."""

    version: int
    records: list[IdentityRecord]
    centroids: Vector


class SqliteStore:
    """A gallery in one file; may be shared between threads, and the file between processes."""

    def __init__(self, path: Path, embedding_dim: int, space: str) -> None:
        self._path, self._dim, self._space = path, embedding_dim, space
        self._lock = threading.RLock()
        self._templates: _Templates | None = None
        self._connection: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{path}: the gallery cannot be opened: {error}") from error
        try:
            with self._changing() as connection:
                self._bind(connection)
        except StoreError:
            self.close()
            raise

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
        given = checked_addition(Addition(identity, embeddings, keys, metadata, weights), self._dim)
        with self._changing() as connection:
            row, former = connection.execute(_LOCK, [given.identity]).fetchone()
            held = connection.execute("SELECT key FROM samples WHERE identity = ?", [row])
            known = {key for (key,) in held}
            numbers: Sequence[int] = range(len(given.samples.weights))
            if given.keys is not None:
                numbers = fresh_rows(given.keys, known)
            connection.executemany(
                "INSERT INTO samples (identity, embedding, weight, key) VALUES (?, ?, ?, ?)",
                [
                    (
                        row,
                        given.samples.embeddings[number].tobytes(),
                        float(given.samples.weights[number]),
                        given.keys[number] if given.keys else None,
                    )
                    for number in numbers
                ],
            )
            samples = self._samples(connection, row)
            if not len(samples.weights):  # nobody is enrolled by metadata alone
                connection.execute("DELETE FROM identities WHERE id = ?", [row])
                return 0
            centroid = template_direction(template or weighted_sum, samples, given.identity)
            merged = {**json.loads(former), **given.metadata}
            connection.execute(
                "UPDATE identities SET samples = ?, centroid = ?, metadata = ? WHERE id = ?",
                [len(samples.weights), centroid.tobytes(), json.dumps(merged), row],
            )
            return len(numbers)

    def search(
        self,
        probes: Vector,
        *,
        top_k: int = 5,
        min_similarity: float = -1.0,
        where: Mapping[str, Any] | None = None,
    ) -> list[list[Match]]:
        vectors, wanted = checked_search(probes, self._dim, top_k, where)
        records, centroids = self._fresh_templates(wanted)
        # Not a matrix product: BLAS may round equal rows differently, and ties must stay ties.
        found = np.einsum("md,nd->mn", vectors.astype(float), centroids.astype(float)).clip(-1, 1)
        return [
            [
                _match(records[row], float(similarity[row]))
                for row in np.argsort(-similarity, kind="stable")[:top_k]
                if similarity[row] >= min_similarity
            ]
            for similarity in found
        ]

    def get(self, identity: str) -> IdentityRecord | None:
        query = "SELECT name, samples, centroid, metadata FROM identities WHERE name = ?"
        with self._reading() as connection:
            row = connection.execute(query, [_asked(identity)]).fetchone()
        return _record(row) if row else None

    def samples(self, identity: str) -> Samples:
        with self._reading() as connection:
            query = "SELECT id FROM identities WHERE name = ?"
            row = connection.execute(query, [_asked(identity)]).fetchone()
            return self._samples(connection, row[0] if row else None)

    def identities(
        self, *, after: str | None = None, limit: int | None = None
    ) -> Iterator[IdentityRecord]:
        with self._reading() as connection:
            page = [after, after, -1 if limit is None else limit]
            return iter([_record(row) for row in connection.execute(_PAGE, page)])

    def forget(self, identity: str) -> Receipt:
        query = "DELETE FROM identities WHERE name = ? RETURNING samples"
        with self._changing() as connection:
            row = connection.execute(query, [_asked(identity)]).fetchone()
        return Receipt(identity, row[0] if row else 0, datetime.now(UTC))

    def count(self) -> int:
        return self.stats().identities

    def stats(self) -> StoreStats:
        query = "SELECT count(*), coalesce(sum(samples), 0) FROM identities"
        with self._reading() as connection:
            identities, samples = connection.execute(query).fetchone()
        return StoreStats("sqlite", identities, samples, self._dim, self._space)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _bind(self, connection: sqlite3.Connection) -> None:
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        bound = connection.execute("SELECT dim, space FROM binding").fetchone()
        if bound is None:
            connection.execute("INSERT INTO binding VALUES (?, ?)", [self._dim, self._space])
        elif bound != (self._dim, self._space):
            raise StoreError(
                f"{self._path} is bound to embedding space {bound[1]!r} of dimension {bound[0]}; "
                f"the model gives {self._space!r} of dimension {self._dim}: use that model, or "
                "another path"
            )

    def _samples(self, connection: sqlite3.Connection, row: int | None) -> Samples:
        query = "SELECT embedding, weight FROM samples WHERE identity = ? ORDER BY id"
        found = connection.execute(query, [row]).fetchall()
        embeddings = b"".join(embedding for embedding, _ in found)
        return Samples(
            np.frombuffer(embeddings, np.float32).reshape(-1, self._dim).copy(),
            np.array([weight for _, weight in found], np.float32),
        )

    def _fresh_templates(self, where: Mapping[str, Any]) -> tuple[list[IdentityRecord], Vector]:
        """Those whose metadata contains `where`; read anew when the file was changed, by whomever:
        SQLite counts the changes of others, this store its own by dropping what it has read."""
        with self._reading() as connection:
            [version] = connection.execute("PRAGMA data_version").fetchone()
            held = self._templates
            if held is None or held.version != version:
                records = [_record(row) for row in connection.execute(_PAGE, [None, None, -1])]
                centroids = np.array([record.centroid for record in records], np.float32)
                held = _Templates(version, records, centroids.reshape(-1, self._dim))
                self._templates = held
        if not where:
            return held.records, held.centroids
        rows = [row for row, each in enumerate(held.records) if contains(each.metadata, where)]
        return [held.records[row] for row in rows], held.centroids[rows]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._connection is None:
                raise StoreUnavailable("the store is closed")
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise StoreUnavailable(f"{self._path}: {error}") from error

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which other processes wait for."""
        with self._reading() as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise
            finally:
                self._templates = None


def _asked(identity: str) -> str | bytes:
    """A name to look for; of one that nobody can have, bytes, which are equal to no text."""
    try:
        identity.encode()
    except UnicodeEncodeError:
        return b""
    return identity


def _record(row: tuple[str, int, bytes, str]) -> IdentityRecord:
    name, samples, centroid, metadata = row
    return IdentityRecord(
        name, samples, np.frombuffer(centroid, np.float32).copy(), json.loads(metadata)
    )


def _match(record: IdentityRecord, similarity: float) -> Match:
    metadata = json.loads(json.dumps(dict(record.metadata)))  # a copy of its own
    return Match(record.identity, similarity, record.samples, metadata)
