"""One enrolment, inside its transaction and with the identity's row locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pgvector import Vector as SqlVector
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from facenet.gallery import CheckedAddition, check_length, template_direction, weighted_sum
from facenet.stores import Samples
from facenet_pgvector import queries, rows
from facenet_pgvector.schema import Tables

if TYPE_CHECKING:
    from facenet.stores import Template


def enrol(
    connection: Connection[TupleRow],
    tables: Tables,
    given: CheckedAddition,
    template: Template | None,
) -> int:
    """Add samples to an identity, and settle its template; returns how many were added.

    Does what `facenet_pgvector.bulk` does for many, in statements that take half of the time for
    one. Whatever is raised must end the transaction.
    """
    row = _lock(connection, tables, given)
    if row is None:
        return 0
    added = _insert(connection, tables, row, given)
    direction = None
    if template is not None:
        held = rows.samples_of(connection, tables, [row], given.samples.embeddings.shape[1])[row]
        direction = SqlVector(template_direction(template, held, given.identity))
    settled = connection.execute(
        tables.compose(queries.SETTLE),
        {
            "row": row,
            "samples": len(added.weights),
            "sum": SqlVector(weighted_sum(added)),
            "template": direction,
        },
    )
    if template is None:
        check_length(rows.only(settled.fetchone())[0], given.identity)
    return len(added.weights)


def _lock(connection: Connection[TupleRow], tables: Tables, given: CheckedAddition) -> int | None:
    """Merge the metadata and hold the identity's row until the transaction ends.

    Makes the row when it is new; None when there is nothing to make it of.
    """
    values = {"digest": rows.digest(given.identity), "metadata": Jsonb(given.metadata)}
    if not len(given.samples.weights):
        found = connection.execute(tables.compose(queries.DESCRIBE), values).fetchone()
        return found[0] if found else None
    zero = SqlVector(np.zeros(given.samples.embeddings.shape[1], np.float32))
    values |= {"name": given.identity, "zero": zero}
    return int(rows.only(connection.execute(tables.compose(queries.LOCK), values).fetchone())[0])


def _insert(
    connection: Connection[TupleRow], tables: Tables, row: int, given: CheckedAddition
) -> Samples:
    """Insert the samples whose key the identity does not hold yet; return these."""
    digests = rows.digests(given.keys)
    held: set[bytes] = set()
    if digests is not None:
        query = tables.compose(queries.HELD_KEYS)
        held = {digest for (digest,) in connection.execute(query, [row, digests])}
    samples, extras = rows.fresh(given, digests, held)
    if extras:
        connection.cursor().executemany(
            tables.compose(queries.ADD_SAMPLE),
            [
                (row, SqlVector(embedding), float(weight), *extra)
                for embedding, weight, extra in zip(*samples, extras, strict=True)
            ],
        )
    return samples
