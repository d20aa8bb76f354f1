"""The collection that is to take the place of a gallery's: the same samples, in another space.

It has tables of its own, and in them the same numbers for identities and samples. While it is made
the gallery may change: what is missing, too much or elsewhere is found by these numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from pgvector import Vector as SqlVector
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from facenet.curated_stores import PendingSample
from facenet.errors import StoreError
from facenet.stores import Samples
from facenet_pgvector import curation, rows, schema
from facenet_pgvector.schema import Tables

if TYPE_CHECKING:
    from facenet.stores import Template
    from facenet.types import Vector

IDENTITIES_AT_ONCE = 500
_STATE = "SELECT state, embedding_dim, space FROM {meta}"
_DROP = "DROP TABLE IF EXISTS {embeddings}, {identities}, {forgotten}, {meta}"
_COUNTS = """
SELECT count(*) FILTER (WHERE done.id IS NOT NULL), count(*)
FROM {embeddings} AS sample LEFT JOIN {next_embeddings} AS done ON done.id = sample.id
"""
_MISSING = """
SELECT sample.id, name, key, CASE WHEN %(crops)s THEN crop END FROM {embeddings} AS sample
JOIN {identities} AS held ON held.id = sample.identity_id
WHERE sample.id > %(after)s AND NOT EXISTS (
    SELECT FROM {next_embeddings} AS done WHERE done.id = sample.id
)
ORDER BY sample.id LIMIT %(limit)s
"""
# An identity counts -1 samples until its template is made; its name is written in the end.
_ADD_IDENTITIES = """
INSERT INTO {next_identities} (id, name, name_digest, samples, vector_sum, centroid, metadata)
OVERRIDING SYSTEM VALUE
SELECT DISTINCT identity_id, '', int8send(identity_id), -1, %(zero)s, %(zero)s, '{{}}'::jsonb
FROM {embeddings} WHERE id = ANY(%(numbers)s)
ON CONFLICT (id) DO UPDATE SET samples = -1
"""
_ADD_SAMPLES = """
INSERT INTO {next_embeddings}
    (id, identity_id, embedding, key, key_digest, created_at, weight, crop)
OVERRIDING SYSTEM VALUE
SELECT id, identity_id, given.embedding, key, key_digest, created_at, weight, crop
FROM {embeddings} JOIN unnest(%(numbers)s::bigint[], %(embeddings)b::vector[])
    AS given(number, embedding) ON given.number = id
ON CONFLICT (id) DO NOTHING
"""
_UNSETTLED = "SELECT id FROM {next_identities} WHERE samples = -1 ORDER BY id LIMIT %s"
_LOCK = "LOCK TABLE {identities}, {embeddings} IN SHARE ROW EXCLUSIVE MODE"
_FOLLOW = (
    # Samples that are gone, and those that went elsewhere.
    """
DELETE FROM {next_embeddings} AS done WHERE NOT EXISTS (
    SELECT FROM {embeddings} AS sample WHERE sample.id = done.id
)
""",
    """
INSERT INTO {next_identities} (id, name, name_digest, samples, vector_sum, centroid, metadata)
OVERRIDING SYSTEM VALUE
SELECT DISTINCT sample.identity_id, '', int8send(sample.identity_id), -1, %(zero)s::vector,
    %(zero)s::vector, '{{}}'::jsonb
FROM {embeddings} AS sample JOIN {next_embeddings} AS done ON done.id = sample.id
WHERE done.identity_id <> sample.identity_id
ON CONFLICT (id) DO NOTHING
""",
    """
UPDATE {next_embeddings} AS done SET identity_id = sample.identity_id
FROM {embeddings} AS sample
WHERE sample.id = done.id AND done.identity_id <> sample.identity_id
""",
    """
DELETE FROM {next_identities} AS held WHERE NOT EXISTS (
    SELECT FROM {next_embeddings} WHERE identity_id = held.id
)
""",
    """
UPDATE {next_identities} AS held SET samples = -1
WHERE samples <> (SELECT count(*) FROM {next_embeddings} WHERE identity_id = held.id)
""",
    # Two who have changed names must not meet on the way.
    """
UPDATE {next_identities} AS held SET name_digest = int8send(held.id)
FROM {identities} AS named
WHERE named.id = held.id AND named.name_digest <> held.name_digest
""",
    """
UPDATE {next_identities} AS held
SET name = named.name, name_digest = named.name_digest, metadata = named.metadata
FROM {identities} AS named
WHERE named.id = held.id
    AND (named.name_digest <> held.name_digest OR named.metadata <> held.metadata)
""",
)
_MOVED = """
SELECT DISTINCT unnest(ARRAY[done.identity_id, sample.identity_id])
FROM {embeddings} AS sample JOIN {next_embeddings} AS done ON done.id = sample.id
WHERE done.identity_id <> sample.identity_id
"""
_UNSETTLE = "UPDATE {next_identities} SET samples = -1 WHERE id = ANY(%s)"
_NUMBERS_GO_ON = """
SELECT setval(%s, nextval(%s))
"""
_SEQUENCE = "SELECT pg_get_serial_sequence(%s, 'id')"
# Nobody but a successor writes to a collection that is not the current one.
_RETIRE = """
CREATE OR REPLACE FUNCTION {retired}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('facenet.successor', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION 'the gallery has moved to another embedding space: open it with that model';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER retired BEFORE INSERT OR UPDATE ON {identities}
    FOR EACH STATEMENT EXECUTE FUNCTION {retired}();
"""
_REVIVE = "DROP TRIGGER IF EXISTS retired ON {identities}"
_AS_SUCCESSOR = "SET LOCAL facenet.successor = 'on'"
_SET_STATE = "UPDATE {meta} SET state = %s"

Change = Callable[[], AbstractContextManager[Connection[TupleRow]]]
"""A transaction that writes."""


class Binding(NamedTuple):
    """Of a collection."""

    state: str
    dim: int
    space: str


class PgSuccessor:
    """See `facenet.curated_stores.Successor`; several processes may work on one."""

    def __init__(self, change: Change, tables: Tables, dim: int, space: str) -> None:
        self._begin = change
        self._tables = tables
        self._next = tables.twin
        self._dim = dim
        with self._change() as connection:
            self._open(connection, space)

    def counts(self) -> tuple[int, int]:
        with self._change() as connection:
            done, total = rows.only(connection.execute(self._sql(_COUNTS)).fetchone())
        return done, total

    def missing(
        self, *, after: int = 0, limit: int | None = None, crops: bool = False
    ) -> list[PendingSample]:
        with self._change() as connection:
            page = {"after": after, "limit": limit, "crops": crops}
            found = connection.execute(self._sql(_MISSING), page, binary=True)
            return [PendingSample(*row) for row in found]

    def add(self, embeddings: Mapping[int, Vector]) -> None:
        zero = SqlVector(np.zeros(self._dim, np.float32))
        given = {
            "numbers": list(embeddings),
            "embeddings": [SqlVector(vector) for vector in embeddings.values()],
            "zero": zero,
        }
        with self._change() as connection:
            connection.execute(self._sql(_ADD_IDENTITIES), given)
            connection.execute(self._sql(_ADD_SAMPLES), given, binary=True, prepare=False)

    def samples(self, identity: str) -> Samples:
        query = self._next.compose(
            "SELECT done.embedding, done.weight FROM {embeddings} AS done "
            "JOIN {theirs} AS held ON held.id = done.identity_id "
            "WHERE held.name_digest = %s ORDER BY done.id",
            theirs=sql.Identifier(self._tables.identities),
        )
        with self._change() as connection:
            found = connection.execute(query, [rows.digest(identity)], binary=True).fetchall()
        return rows.samples(found, self._dim)

    def switch(self, *, template: Template | None = None, without_missing: bool = False) -> None:
        settled = 1
        while settled:  # most of the work, before the gallery is locked
            with self._change() as connection:
                settled = self._settle(connection, template)
        with self._change() as connection:
            connection.execute(self._sql(_LOCK))
            if self._state(connection).state == "current":
                raise _moved()
            self._follow(connection)
            while self._settle(connection, template):
                pass
            done, total = rows.only(connection.execute(self._sql(_COUNTS)).fetchone())
            if done < total and not without_missing:
                raise StoreError(f"{total - done} of {total} samples are not in the new space yet")
            for table in ("identities", "embeddings"):
                self._continue_numbers(connection, table)
            connection.execute(self._tables.compose(_SET_STATE), ["former"])
            connection.execute(self._tables.compose(_RETIRE))
            connection.execute(self._next.compose(_SET_STATE), ["current"])
            connection.execute(self._next.compose(_REVIVE))
            curation.note(connection, self._next, "migrate", samples=done)

    def _open(self, connection: Connection[TupleRow], space: str) -> None:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [schema.SETUP_LOCK])
        if schema.exists(connection, self._next.meta):
            there = self._state(connection)
            if there.state == "current":
                raise _moved()
            if (there.dim, there.space) == (self._dim, space):
                connection.execute(self._next.compose(_SET_STATE), ["building"])
                return
            if there.state == "building":
                raise StoreError(
                    f"a migration to embedding space {there.space!r} is under way: finish it with "
                    "that model, or give it up with 'facenet store migrate --abandon'"
                )
            connection.execute(self._next.compose(_DROP))
        schema.create(connection, self._next, self._dim, space, "building")
        schema.watch(connection, self._next)

    def _state(self, connection: Connection[TupleRow]) -> Binding:
        return Binding(*rows.only(connection.execute(self._next.compose(_STATE)).fetchone()))

    def _follow(self, connection: Connection[TupleRow]) -> None:
        """Bring the new collection to what the gallery holds, which nobody changes meanwhile."""
        zero = {"zero": SqlVector(np.zeros(self._dim, np.float32))}
        moved = [row for (row,) in connection.execute(self._sql(_MOVED))]
        for statement in _FOLLOW:
            parameters = zero if "%(zero)s" in statement else None
            connection.execute(self._sql(statement), parameters)
        connection.execute(self._sql(_UNSETTLE), [moved])

    def _settle(self, connection: Connection[TupleRow], template: Template | None) -> int:
        """Make the templates of some identities that have none yet; how many there were."""
        found = connection.execute(self._sql(_UNSETTLED), [IDENTITIES_AT_ONCE])
        unsettled = {row: f"number {row}" for (row,) in found}
        if unsettled:
            curation.settle(connection, self._next, unsettled, self._dim, template)
        return len(unsettled)

    def _continue_numbers(self, connection: Connection[TupleRow], table: str) -> None:
        """No number is given twice, whichever collection gave it."""
        sequences: list[str] = []
        for tables in (self._next, self._tables):
            name = sql.Identifier(getattr(tables, table)).as_string(connection)
            sequences += rows.only(connection.execute(_SEQUENCE, [name]).fetchone())
        connection.execute(_NUMBERS_GO_ON, sequences)

    @contextmanager
    def _change(self) -> Iterator[Connection[TupleRow]]:
        with self._begin() as connection:
            connection.execute(_AS_SUCCESSOR)
            yield connection

    def _sql(self, statement: str) -> sql.Composed:
        return self._tables.compose(
            statement,
            next_identities=sql.Identifier(self._next.identities),
            next_embeddings=sql.Identifier(self._next.embeddings),
        )


def _moved() -> StoreError:
    return StoreError("the gallery has just moved to another embedding space")


def abandon(
    connection: Connection[TupleRow], tables: Tables
) -> Literal["unfinished", "former"] | None:
    """Drop the collection that is not a gallery's current one; which it was, if there is one."""
    other = schema.current(connection, tables).twin
    if not schema.exists(connection, other.meta):
        return None
    [state] = rows.only(connection.execute(other.compose("SELECT state FROM {meta}")).fetchone())
    connection.execute(other.compose(_DROP))
    return "unfinished" if state == "building" else "former"
