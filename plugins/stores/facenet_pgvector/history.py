"""The log of a gallery, and taking back what stands in it."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from facenet.curated_stores import LogEntry
from facenet.errors import StoreError
from facenet_pgvector import curation, rows
from facenet_pgvector.schema import Tables

if TYPE_CHECKING:
    from facenet.stores import Template

# What an enrolment added has its time: that of the transaction.
_ENROLLED = """
SELECT sample.id FROM {embeddings} AS sample
WHERE sample.identity_id = entry.identity_id AND sample.created_at = entry.at
"""
_HISTORY = (
    """
SELECT entry.id, at, action, one.name, other.name, entry.samples, undoes,
    CASE action WHEN 'enrol' THEN EXISTS ("""
    + _ENROLLED
    + """)
    ELSE EXISTS (SELECT FROM {undo} WHERE log_id = entry.id) END
FROM {log} AS entry
LEFT JOIN {identities} AS one ON one.id = entry.identity_id
LEFT JOIN {identities} AS other ON other.id = entry.other_id
WHERE %(digest)s::bytea IS NULL OR %(digest)s IN (one.name_digest, other.name_digest)
ORDER BY entry.id DESC LIMIT %(limit)s
"""
)
_ENTRY = """
SELECT action, entry.identity_id, entry.other_id, one.name, other.name, state
FROM {log} AS entry
LEFT JOIN {undo} AS kept ON kept.log_id = entry.id
LEFT JOIN {identities} AS one ON one.id = entry.identity_id
LEFT JOIN {identities} AS other ON other.id = entry.other_id
WHERE entry.id = %s
"""
_ENROLLED_BY = "SELECT array(" + _ENROLLED + ") FROM {log} AS entry WHERE entry.id = %s"
_STILL_THERE = "SELECT id FROM {embeddings} WHERE identity_id = %s AND id = ANY(%s)"
_FORGET_STATE = "DELETE FROM {undo} WHERE log_id = %s"
_SET_METADATA = "UPDATE {identities} SET metadata = %s WHERE id = %s"
_COPY_DOUBLES = """
INSERT INTO {embeddings} (identity_id, embedding, key, key_digest, created_at, weight, crop)
SELECT %(to)s, embedding, key, key_digest, created_at, weight, crop FROM {embeddings}
WHERE identity_id = %(from)s AND encode(key_digest, 'hex') = ANY(%(keys)s)
ON CONFLICT DO NOTHING
"""


def history(
    connection: Connection[TupleRow], tables: Tables, identity: str | None, limit: int | None
) -> list[LogEntry]:
    values = {"digest": identity and rows.digest(identity), "limit": limit}
    found = connection.execute(tables.compose(_HISTORY), values)
    return [LogEntry(number, at.astimezone(UTC), *rest) for number, at, *rest in found]


def undo(
    connection: Connection[TupleRow],
    tables: Tables,
    number: int,
    dim: int,
    template: Template | None,
) -> LogEntry:
    """Whatever is raised must end the transaction."""
    entry = connection.execute(tables.compose(_ENTRY), [number]).fetchone()
    if entry is None:
        raise StoreError(f"the log has no entry {number}: 'facenet store log' lists them")
    action, one, other, name, others_name, state = entry
    if action == "enrol":
        samples = _take_out(connection, tables, number, one, name, dim, template)
    elif state is None:
        raise _not_undoable(number, action)
    elif action == "rename":
        curation.change_name(connection, tables, name, state["name"])
        samples = 0
    else:
        samples, one = _bring_back(
            connection, tables, number, (one, name), (other, others_name), state, dim, template
        )
    connection.execute(tables.compose(_FORGET_STATE), [number])
    curation.note(connection, tables, "undo", one, other, samples, number)
    return history(connection, tables, None, 1)[0]


def _take_out(
    connection: Connection[TupleRow],
    tables: Tables,
    number: int,
    row: int,
    name: str | None,
    dim: int,
    template: Template | None,
) -> int:
    """Erase what an entry enrolled."""
    if name is None:
        raise _not_undoable(number, "enrol")
    curation.lock(connection, tables, [name], dim)
    found = connection.execute(tables.compose(_ENROLLED_BY), [number]).fetchone()
    [samples] = rows.only(found)
    if not samples:
        raise _not_undoable(number, "enrol")
    return curation.drop_samples(connection, tables, {row: name}, samples, dim, template)


def _bring_back(
    connection: Connection[TupleRow],
    tables: Tables,
    number: int,
    source: tuple[int, str | None],
    target: tuple[int, str | None],
    state: dict[str, Any],
    dim: int,
    template: Template | None,
) -> tuple[int, int]:
    """Give the samples of a move back to whose they were, who is enrolled again where they were
    all; how many, and the row of that identity."""
    (row, name), (target_row, target_name) = source, target
    if target_name is None:
        raise _not_undoable(number, "move")
    former = name or state["name"]
    locked = curation.lock(connection, tables, [former, target_name], dim)
    back, held = locked[former]
    if held and back != row:
        raise StoreError(
            f"entry {number} cannot be undone: {former!r} is another identity now; rename that one "
            "first"
        )
    there = connection.execute(tables.compose(_STILL_THERE), [target_row, state["samples"]])
    samples = [sample for (sample,) in there]
    if not samples and not state["doubles"]:
        raise _not_undoable(number, "move")
    moved = len(curation.move(connection, tables, samples, back))
    doubles = {"from": target_row, "to": back, "keys": state["doubles"]}
    moved += connection.execute(tables.compose(_COPY_DOUBLES), doubles).rowcount
    metadata = {back: state["metadata"]} if name is None else {}
    if state["whole"]:
        metadata[target_row] = state["theirs"]
    for each, values in metadata.items():
        connection.execute(tables.compose(_SET_METADATA), [Jsonb(values), each])
    names = {back: former, target_row: target_name}
    curation.settle(connection, tables, names, dim, template)
    return moved, back


def _not_undoable(number: int, action: str) -> StoreError:
    reasons = {
        "enrol": "nothing is left of what it enrolled",
        "move": "nothing is left of what it moved, or it was undone",
        "rename": "it was undone, or the identity is gone",
    }
    reason = reasons.get(action, f"what was done by {action} is done for good")
    return StoreError(f"entry {number} cannot be undone: {reason}")
