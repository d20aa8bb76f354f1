"""One enrolment, inside its transaction and with the identity's row locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgvector import Vector as SqlVector
from psycopg.types.json import Jsonb

from facenet.gallery import CheckedAddition, check_length, template_direction, weighted_sum
from facenet.stores import Samples
from facenet_pgvector import rows
from facenet_pgvector.tables import Gallery

if TYPE_CHECKING:
    from facenet.stores import Template

# One statement creates or locks the identity, so two enrolments of one name come one by one.
_LOCK = """
INSERT INTO {identities} AS held (name, name_digest, samples, vector_sum, centroid, metadata)
VALUES (%(name)s, %(digest)s, 0, %(zero)s, %(zero)s, %(metadata)s)
ON CONFLICT (name_digest) DO UPDATE SET metadata = held.metadata || EXCLUDED.metadata
RETURNING id
"""
_DESCRIBE = """
UPDATE {identities} SET metadata = metadata || %(metadata)s WHERE name_digest = %(digest)s
RETURNING id
"""
_HELD_KEYS = "SELECT key_digest FROM {embeddings} WHERE identity_id = %s AND key_digest = ANY(%s)"
_ADD_SAMPLE = """
INSERT INTO {embeddings} (identity_id, embedding, weight, crop, key, key_digest)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_SETTLE = """
WITH noted AS (
    INSERT INTO {log} (action, identity_id, samples)
    SELECT 'enrol', %(row)s, %(samples)s::bigint WHERE %(samples)s::bigint > 0
)
UPDATE {identities} SET
    vector_sum = vector_sum + %(sum)s,
    samples = samples + %(samples)s,
    centroid = coalesce(%(template)s::vector, l2_normalize(vector_sum + %(sum)s))
WHERE id = %(row)s
RETURNING vector_norm(vector_sum)
"""


def enrol(gallery: Gallery, given: CheckedAddition, template: Template | None) -> int:
    """Add samples to an identity, and settle its template; returns how many were added.

    Does what `facenet_pgvector.bulk` does for many, in statements that take half of the time for
    one. Whatever is raised must end the transaction.
    """
    row = _lock(gallery, given)
    if row is None:
        return 0
    added = _insert(gallery, row, given)
    direction = None
    if template is not None:
        held = rows.samples_of(gallery, [row])[row]
        direction = SqlVector(template_direction(template, held, given.identity))
    values = {
        "row": row,
        "samples": len(added.weights),
        "sum": SqlVector(weighted_sum(added)),
        "template": direction,
    }
    [length] = gallery.one(_SETTLE, values)
    if template is None:
        check_length(length, given.identity)
    return len(added.weights)


def _lock(gallery: Gallery, given: CheckedAddition) -> int | None:
    """Merge the metadata and hold the identity's row until the transaction ends.

    Makes the row when it is new; None when there is nothing to make it of.
    """
    values = {"digest": rows.digest(given.identity), "metadata": Jsonb(given.metadata)}
    if not len(given.samples.weights):
        found = gallery.execute(_DESCRIBE, values).fetchone()
        return found[0] if found else None
    [row] = gallery.one(_LOCK, values | {"name": given.identity, "zero": gallery.zero})
    return int(row)


def _insert(gallery: Gallery, row: int, given: CheckedAddition) -> Samples:
    """Insert the samples whose key the identity does not hold yet; return these."""
    digests = rows.digests(given.keys)
    held: set[bytes] = set()
    if digests is not None:
        held = {digest for (digest,) in gallery.execute(_HELD_KEYS, [row, digests])}
    samples, extras = rows.fresh(given, digests, held)
    if extras:
        gallery.connection.cursor().executemany(
            gallery.compose(_ADD_SAMPLE),
            [
                (row, SqlVector(embedding), float(weight), *extra)
                for embedding, weight, extra in zip(*samples, extras, strict=True)
            ],
        )
    return samples
