"""Putting a gallery right: other names, and samples that go to another identity."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING

import numpy as np
from pgvector import Vector as SqlVector
from psycopg import Connection, errors
from psycopg.rows import TupleRow

from facenet.gallery import (
    chosen_samples,
    name_taken,
    not_enrolled,
    template_direction,
    weighted_sum,
)
from facenet.types import HeldSample
from facenet_pgvector import queries, rows
from facenet_pgvector.schema import Tables

if TYPE_CHECKING:
    from facenet.types import Template

_HOLDINGS = """
SELECT id, embedding, weight, key, created_at, crop FROM {embeddings}
WHERE identity_id = (SELECT id FROM {identities} WHERE name_digest = %s) ORDER BY id
"""
_RENAME = """
UPDATE {identities} SET name = %(to)s, name_digest = %(to digest)s WHERE name_digest = %(digest)s
"""
_NUMBERS = "SELECT id FROM {embeddings} WHERE identity_id = %s"
# Of two samples with one key the other identity's stays.
_DROP_DOUBLES = """
DELETE FROM {embeddings} AS sample USING {embeddings} AS theirs
WHERE sample.id = ANY(%(samples)s)
    AND theirs.identity_id = %(to)s AND theirs.key_digest = sample.key_digest
"""
_MOVE = "UPDATE {embeddings} SET identity_id = %(to)s WHERE id = ANY(%(samples)s)"
_MERGE_METADATA = """
UPDATE {identities} AS held SET metadata = other.metadata || held.metadata
FROM {identities} AS other WHERE held.id = %s AND other.id = %s
"""
_SETTLE = """
UPDATE {identities} SET samples = %s, vector_sum = %s, centroid = %s WHERE id = %s
"""


def holdings(connection: Connection[TupleRow], tables: Tables, identity: str) -> list[HeldSample]:
    found = connection.execute(tables.compose(_HOLDINGS), [rows.digest(identity)], binary=True)
    return [
        HeldSample(number, rows.vector(embedding), weight, key, at.astimezone(UTC), crop)
        for number, embedding, weight, key, at, crop in found
    ]


def rename(connection: Connection[TupleRow], tables: Tables, identity: str, to: str) -> None:
    """Whatever is raised must end the transaction."""
    names = {"digest": rows.digest(identity), "to": to, "to digest": rows.digest(to)}
    try:
        renamed = connection.execute(tables.compose(_RENAME), names)
    except errors.UniqueViolation as error:
        raise name_taken(to) from error
    if not renamed.rowcount:
        raise not_enrolled(identity)


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
    source, target = _lock(connection, tables, identity, to, dim)
    numbers = [number for (number,) in connection.execute(tables.compose(_NUMBERS), [source])]
    moving = {"to": target, "samples": sorted(chosen_samples(identity, numbers, samples))}
    connection.execute(tables.compose(_DROP_DOUBLES), moving)
    moved = connection.execute(tables.compose(_MOVE), moving).rowcount
    if samples is None:
        connection.execute(tables.compose(_MERGE_METADATA), [target, source])
    held = rows.samples_of(connection, tables, [source, target], dim)
    for row, name in ((source, identity), (target, to)):
        if row not in held:
            connection.execute(tables.compose(queries.DROP), [[row]])
            continue
        total = weighted_sum(held[row])
        direction = template_direction(template or weighted_sum, held[row], name)
        values = [len(held[row].weights), SqlVector(total), SqlVector(direction), row]
        connection.execute(tables.compose(_SETTLE), values)
    return moved


def _lock(
    connection: Connection[TupleRow], tables: Tables, identity: str, to: str, dim: int
) -> tuple[int, int]:
    """Hold the rows of both, the second made when it is new; in the order of their digests, so that
    no two transactions wait for each other."""
    digests = {rows.digest(name): name for name in (identity, to)}
    values = {
        "names": [digests[digest] for digest in sorted(digests)],
        "digests": sorted(digests),
        "zero": SqlVector(np.zeros(dim, np.float32)),
    }
    connection.execute(tables.compose(queries.LOCK_ALL), values)
    found = connection.execute(tables.compose(queries.LOCKED), values, binary=True, prepare=False)
    locked = {digests[digest]: (row, held) for digest, row, held in found}
    source, held = locked[identity]
    if not held:
        raise not_enrolled(identity)
    return source, locked[to][0]
