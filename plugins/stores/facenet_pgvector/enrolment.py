"""One enrolment, inside its transaction and with the identity's row locked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pgvector import Vector as SqlVector
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from facenet.gallery import check_length, fresh_rows, template_direction, weighted_sum
from facenet.types import Samples
from facenet_pgvector import queries, rows
from facenet_pgvector.schema import Tables

if TYPE_CHECKING:
    from facenet.types import Template


def enrol(
    connection: Connection[TupleRow],
    tables: Tables,
    identity: str,
    given: Samples,
    *,
    keys: Sequence[str] | None,
    metadata: Mapping[str, Any],
    template: Template | None,
) -> int:
    """Add samples that were checked to an identity, and settle its template.

    Returns how many were added. Whatever is raised must end the transaction.
    """
    row = _lock(connection, tables, identity, given, metadata)
    if row is None:
        return 0
    added = _insert(connection, tables, row, given, keys)
    direction = None
    if template is not None:
        held = read_samples(connection, tables, identity, given.embeddings.shape[1])
        direction = SqlVector(template_direction(template, held, identity))
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
        check_length(rows.only(settled.fetchone())[0], identity)
    return len(added.weights)


def read_samples(
    connection: Connection[TupleRow], tables: Tables, identity: str, dim: int
) -> Samples:
    """All samples of an identity in order of enrolment; none when it is unknown."""
    query = tables.compose(queries.SAMPLES)
    cursor = connection.execute(query, [rows.digest(identity)], binary=True)
    return rows.samples(cursor.fetchall(), dim)


def _lock(
    connection: Connection[TupleRow],
    tables: Tables,
    identity: str,
    given: Samples,
    metadata: Mapping[str, Any],
) -> int | None:
    """Merge the metadata and hold the identity's row until the transaction ends.

    Makes the row when it is new; None when there is nothing to make it of.
    """
    values = {"digest": rows.digest(identity), "metadata": Jsonb(metadata)}
    if not len(given.weights):
        found = connection.execute(tables.compose(queries.DESCRIBE), values).fetchone()
        return found[0] if found else None
    zero = SqlVector(np.zeros(given.embeddings.shape[1], np.float32))
    values |= {"name": identity, "zero": zero}
    return int(rows.only(connection.execute(tables.compose(queries.LOCK), values).fetchone())[0])


def _insert(
    connection: Connection[TupleRow],
    tables: Tables,
    row: int,
    given: Samples,
    keys: Sequence[str] | None,
) -> Samples:
    """Insert the samples whose key the identity does not hold yet; return these."""
    fresh = list(range(len(given.weights)))
    digests = [rows.digest(key) for key in keys] if keys is not None else []
    if keys is not None:
        held = connection.execute(tables.compose(queries.HELD_KEYS), [row, digests]).fetchall()
        fresh = fresh_rows(digests, {digest for (digest,) in held})
    samples = [
        (
            row,
            SqlVector(given.embeddings[i]),
            float(given.weights[i]),
            *((keys[i], digests[i]) if keys else (None, None)),
        )
        for i in fresh
    ]
    if samples:
        connection.cursor().executemany(tables.compose(queries.ADD_SAMPLE), samples)
    return Samples(given.embeddings[fresh], given.weights[fresh])
