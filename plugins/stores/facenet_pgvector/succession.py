"""The collection that is to take the place of a gallery's: the same samples, in another space.

It has tables of its own, and in them the same numbers for identities and samples. While it is made
the gallery may change: what is missing, too much or elsewhere is found by these numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple

from pgvector import Vector as SqlVector

from facenet.curated_stores import PendingSample
from facenet.errors import StoreError
from facenet.stores import Samples
from facenet_pgvector import identities, log, rows, schema
from facenet_pgvector.tables import Gallery, Transaction, quoted

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
_SAMPLES = """
SELECT done.embedding, done.weight FROM {next_embeddings} AS done
JOIN {identities} AS held ON held.id = done.identity_id
WHERE held.name_digest = %s ORDER BY done.id
"""
_UNSETTLED = "SELECT id FROM {identities} WHERE samples = -1 ORDER BY id LIMIT %s"
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
SELECT setval(pg_get_serial_sequence(%s, 'id'), nextval(pg_get_serial_sequence(%s, 'id')))
"""
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


class Binding(NamedTuple):
    """Of a collection."""

    state: str
    dim: int
    space: str


class PgSuccessor:
    """See `facenet.curated_stores.Successor`; several processes may work on one."""

    def __init__(self, change: Transaction, dim: int, space: str) -> None:
        self._begin = change
        self._dim = dim
        with self._change() as (_, made):
            self._open(made, space)

    def counts(self) -> tuple[int, int]:
        with self._change() as (held, _):
            done, total = held.one(_COUNTS)
        return done, total

    def missing(
        self, *, after: int = 0, limit: int | None = None, crops: bool = False
    ) -> list[PendingSample]:
        with self._change() as (held, _):
            page = {"after": after, "limit": limit, "crops": crops}
            return [PendingSample(*row) for row in held.execute(_MISSING, page, binary=True)]

    def add(self, embeddings: Mapping[int, Vector]) -> None:
        with self._change() as (held, made):
            given = {
                "numbers": list(embeddings),
                "embeddings": [SqlVector(vector) for vector in embeddings.values()],
                "zero": made.zero,
            }
            held.execute(_ADD_IDENTITIES, given)
            held.execute(_ADD_SAMPLES, given, binary=True, prepare=False)

    def samples(self, identity: str) -> Samples:
        with self._change() as (held, _):
            found = held.execute(_SAMPLES, [rows.digest(identity)], binary=True).fetchall()
        return rows.samples(found, self._dim)

    def switch(self, *, template: Template | None = None, without_missing: bool = False) -> None:
        settled = 1
        while settled:  # most of the work, before the gallery is locked
            with self._change() as (_, made):
                settled = _settle(made, template)
        with self._change() as (held, made):
            held.execute(_LOCK)
            if _binding(made).state == "current":
                raise _moved()
            _follow(held, made)
            while _settle(made, template):
                pass
            done, total = held.one(_COUNTS)
            if done < total and not without_missing:
                raise StoreError(f"{total - done} of {total} samples are not in the new space yet")
            _continue_numbers(held, made)
            held.execute(_SET_STATE, ["former"])
            held.execute(_RETIRE)
            made.execute(_SET_STATE, ["current"])
            made.execute(_REVIVE)
            log.note(made, "migrate", samples=done)

    def _open(self, made: Gallery, space: str) -> None:
        made.execute("SELECT pg_advisory_xact_lock(%s)", [schema.SETUP_LOCK])
        if made.exists:
            there = _binding(made)
            if there.state == "current":
                raise _moved()
            if (there.dim, there.space) == (made.dim, space):
                made.execute(_SET_STATE, ["building"])
                return
            if there.state == "building":
                raise StoreError(
                    f"a migration to embedding space {there.space!r} is under way: finish it with "
                    "that model, or give it up with 'facenet store migrate --abandon'"
                )
            made.execute(_DROP)
        schema.create(made, space, "building")
        schema.watch(made)

    @contextmanager
    def _change(self) -> Iterator[tuple[Gallery, Gallery]]:
        """The gallery as it is held, and as it is made."""
        with self._begin() as held:
            held.execute(_AS_SUCCESSOR)
            yield held, held.twin._replace(dim=self._dim)


def _binding(made: Gallery) -> Binding:
    return Binding(*made.one(_STATE))


def _follow(held: Gallery, made: Gallery) -> None:
    """Bring the new collection to what the gallery holds, which nobody changes meanwhile."""
    moved = [row for (row,) in held.execute(_MOVED)]
    for statement in _FOLLOW:
        held.execute(statement, {"zero": made.zero} if "%(zero)s" in statement else None)
    held.execute(_UNSETTLE, [moved])


def _settle(made: Gallery, template: Template | None) -> int:
    """Make the templates of some identities that have none yet; how many there were."""
    unsettled = {row: f"number {row}" for (row,) in made.execute(_UNSETTLED, [IDENTITIES_AT_ONCE])}
    if unsettled:
        identities.settle(made, unsettled, template)
    return len(unsettled)


def _continue_numbers(held: Gallery, made: Gallery) -> None:
    """No number is given twice, whichever collection gave it."""
    for table in ("identities", "embeddings"):
        names = [quoted(getattr(each.tables, table), each.connection) for each in (made, held)]
        held.execute(_NUMBERS_GO_ON, names)


def _moved() -> StoreError:
    return StoreError("the gallery has just moved to another embedding space")


def abandon(gallery: Gallery) -> Literal["unfinished", "former"] | None:
    """Drop the collection that is not a gallery's current one; which it was, if there is one."""
    current = schema.current(gallery.connection, gallery.tables)
    other = gallery._replace(tables=current.twin)
    if not other.exists:
        return None
    state = _binding(other).state
    other.execute(_DROP)
    return "unfinished" if state == "building" else "former"
