"""Putting a gallery right: other names, and samples that go to another identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from pgvector import Vector as SqlVector
from psycopg import Connection, errors
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from facenet.curated_stores import HeldSample
from facenet.gallery import (
    chosen_samples,
    name_taken,
    not_enrolled,
    template_direction,
    weighted_sum,
)
from facenet_pgvector import queries, rows
from facenet_pgvector.schema import Tables, exists

if TYPE_CHECKING:
    from facenet.stores import Template

_HOLDINGS = """
SELECT id, embedding, weight, key, created_at, crop FROM {embeddings}
WHERE identity_id = (SELECT id FROM {identities} WHERE name_digest = %s) ORDER BY id
"""
_RENAME = """
UPDATE {identities} AS held SET name = %(to)s, name_digest = %(to digest)s
FROM {identities} AS former WHERE former.id = held.id AND held.name_digest = %(digest)s
RETURNING held.id, former.name
"""
_NUMBERS = "SELECT id FROM {embeddings} WHERE identity_id = %s"
_OLDER = """
SELECT name, array_agg({embeddings}.id ORDER BY {embeddings}.id)
FROM {embeddings} JOIN {identities} AS held ON held.id = identity_id
WHERE created_at < %s GROUP BY name ORDER BY name COLLATE "C"
"""
# Of two samples with one key the other identity's stays.
_DROP_DOUBLES = """
DELETE FROM {embeddings} AS sample USING {embeddings} AS theirs
WHERE sample.id = ANY(%(samples)s)
    AND theirs.identity_id = %(to)s AND theirs.key_digest = sample.key_digest
RETURNING encode(sample.key_digest, 'hex')
"""
_MOVE = """
UPDATE {embeddings} SET identity_id = %(to)s WHERE id = ANY(%(samples)s) RETURNING id
"""
_ERASE = "DELETE FROM {embeddings} WHERE id = ANY(%s)"
_METADATA = "SELECT metadata FROM {identities} WHERE id = %s"
_MERGE_METADATA = """
UPDATE {identities} AS held SET metadata = other.metadata || held.metadata
FROM {identities} AS other WHERE held.id = %s AND other.id = %s
"""
_SETTLE = """
UPDATE {identities} SET samples = %s, vector_sum = %s, centroid = %s WHERE id = %s
"""
_NOTE = """
INSERT INTO {log} (action, identity_id, other_id, samples, undoes) VALUES (%s, %s, %s, %s, %s)
RETURNING id
"""
_KEEP = "INSERT INTO {undo} (log_id, identity_id, other_id, state) VALUES (%s, %s, %s, %s)"


def holdings(connection: Connection[TupleRow], tables: Tables, identity: str) -> list[HeldSample]:
    found = connection.execute(tables.compose(_HOLDINGS), [rows.digest(identity)], binary=True)
    return [
        HeldSample(number, rows.vector(embedding), weight, key, at.astimezone(UTC), crop)
        for number, embedding, weight, key, at, crop in found
    ]


def older(connection: Connection[TupleRow], tables: Tables, than: datetime) -> list[TupleRow]:
    return connection.execute(tables.compose(_OLDER), [than]).fetchall()


def rename(connection: Connection[TupleRow], tables: Tables, identity: str, to: str) -> None:
    """Whatever is raised must end the transaction."""
    row, former = change_name(connection, tables, identity, to)
    if former != to:
        entry = note(connection, tables, "rename", row)
        keep(connection, tables, entry, row, None, {"name": former})


def change_name(
    connection: Connection[TupleRow], tables: Tables, identity: str, to: str
) -> tuple[int, str]:
    """The row of an identity that has another name now, and its former one."""
    names = {"digest": rows.digest(identity), "to": to, "to digest": rows.digest(to)}
    try:
        renamed = connection.execute(tables.compose(_RENAME), names).fetchone()
    except errors.UniqueViolation as error:
        raise name_taken(to) from error
    if renamed is None:
        raise not_enrolled(identity)
    return renamed[0], renamed[1]


def transfer(
    connection: Connection[TupleRow],
    tables: Tables,
    identity: str,
    to: str,
    dim: int,
    samples: Sequence[int] | None,
    template: Template | None,
) -> int:
    """Move samples and settle both identities, whose rows are locked until the transaction ends.

    Whatever is raised must end the transaction.
    """
    locked = lock(connection, tables, [identity, to], dim)
    (source, held), (target, _) = locked[identity], locked[to]
    if not held:
        raise not_enrolled(identity)
    chosen = sorted(chosen_samples(identity, _numbers(connection, tables, source), samples))
    state: dict[str, Any] = {"name": identity, "whole": samples is None}
    for name, row in (("metadata", source), ("theirs", target)):
        state[name] = rows.only(connection.execute(tables.compose(_METADATA), [row]).fetchone())[0]
    moving = {"to": target, "samples": chosen}
    doubles = connection.execute(tables.compose(_DROP_DOUBLES), moving).fetchall()
    state["doubles"] = [key for (key,) in doubles]
    state["samples"] = move(connection, tables, chosen, target)
    if samples is None:
        connection.execute(tables.compose(_MERGE_METADATA), [target, source])
    settle(connection, tables, {source: identity, target: to}, dim, template)
    entry = note(connection, tables, "move", source, target, len(chosen))
    keep(connection, tables, entry, source, target, state)
    return len(state["samples"])


def move(
    connection: Connection[TupleRow], tables: Tables, samples: Sequence[int], to: int
) -> list[int]:
    """Give the samples of these numbers to the identity of a row; which of them there are."""
    moving = {"to": to, "samples": list(samples)}
    return [number for (number,) in connection.execute(tables.compose(_MOVE), moving)]


def erase(
    connection: Connection[TupleRow],
    tables: Tables,
    identity: str,
    dim: int,
    samples: Sequence[int],
    template: Template | None,
) -> int:
    """Whatever is raised must end the transaction."""
    row, held = lock(connection, tables, [identity], dim)[identity]
    if not held:
        raise not_enrolled(identity)
    chosen = list(chosen_samples(identity, _numbers(connection, tables, row), samples))
    note(connection, tables, "erase", row, None, len(chosen))
    return drop_samples(connection, tables, {row: identity}, chosen, dim, template)


def drop_samples(
    connection: Connection[TupleRow],
    tables: Tables,
    identities: Mapping[int, str],
    samples: Sequence[int],
    dim: int,
    template: Template | None,
) -> int:
    """Erase samples of identities, given as row and name, and settle these; how many there were."""
    erased = connection.execute(tables.compose(_ERASE), [list(samples)]).rowcount
    erase_elsewhere(connection, tables, samples=samples)
    settle(connection, tables, identities, dim, template)
    return erased


def erase_elsewhere(
    connection: Connection[TupleRow],
    tables: Tables,
    *,
    identities: Sequence[int] = (),
    samples: Sequence[int] = (),
) -> None:
    """What was erased in one collection of a gallery, erase in the other, where there is one."""
    twin = tables.twin
    if exists(connection, twin.meta):
        connection.execute(twin.compose(queries.DROP), [list(identities)])
        connection.execute(twin.compose(_ERASE), [list(samples)])


def settle(
    connection: Connection[TupleRow],
    tables: Tables,
    identities: Mapping[int, str],
    dim: int,
    template: Template | None,
) -> None:
    """Make count, sum and template of locked identities anew, given as row and name; one without
    samples goes."""
    held = rows.samples_of(connection, tables, list(identities), dim)
    for row, name in identities.items():
        if row not in held:
            connection.execute(tables.compose(queries.DROP), [[row]])
            continue
        total = weighted_sum(held[row])
        direction = template_direction(template or weighted_sum, held[row], name)
        values = [len(held[row].weights), SqlVector(total), SqlVector(direction), row]
        connection.execute(tables.compose(_SETTLE), values)


def note(
    connection: Connection[TupleRow],
    tables: Tables,
    action: str,
    identity: int | None = None,
    other: int | None = None,
    samples: int = 0,
    undoes: int | None = None,
) -> int:
    """Add an entry to the log, identities by their rows; its number."""
    values = [action, identity, other, samples, undoes]
    entry = connection.execute(tables.compose(_NOTE), values).fetchone()
    return int(rows.only(entry)[0])


def keep(
    connection: Connection[TupleRow],
    tables: Tables,
    entry: int,
    identity: int,
    other: int | None,
    state: Mapping[str, Any],
) -> None:
    """Remember what it takes to undo an entry, for as long as neither identity is forgotten."""
    connection.execute(tables.compose(_KEEP), [entry, identity, other, Jsonb(state)])


def lock(
    connection: Connection[TupleRow], tables: Tables, identities: Sequence[str], dim: int
) -> dict[str, tuple[int, int]]:
    """Hold the rows of identities, made where they are new, in the order of their digests, so that
    no two transactions wait for each other; of each the row and how many samples it has."""
    digests = {rows.digest(name): name for name in identities}
    values = {
        "names": [digests[digest] for digest in sorted(digests)],
        "digests": sorted(digests),
        "zero": SqlVector(np.zeros(dim, np.float32)),
    }
    connection.execute(tables.compose(queries.LOCK_ALL), values)
    found = connection.execute(tables.compose(queries.LOCKED), values, binary=True, prepare=False)
    return {digests[digest]: (row, held) for digest, row, held in found}


def _numbers(connection: Connection[TupleRow], tables: Tables, row: int) -> list[int]:
    return [number for (number,) in connection.execute(tables.compose(_NUMBERS), [row])]
