"""Identities whose rows are locked until the transaction ends, and what is changed of them.

Whatever is raised must end the transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pgvector import Vector as SqlVector
from psycopg import errors

from facenet.gallery import name_taken, not_enrolled, template_direction, weighted_sum
from facenet_pgvector import rows
from facenet_pgvector.tables import Gallery

if TYPE_CHECKING:
    from facenet.stores import Template

# `WHERE false` locks a row that is there and writes nothing to it.
_LOCK_ALL = """
INSERT INTO {identities} AS held (name, name_digest, samples, vector_sum, centroid, metadata)
SELECT given.name, given.digest, 0, %(zero)s, %(zero)s, '{{}}'
FROM unnest(%(names)s::text[], %(digests)s::bytea[]) WITH ORDINALITY AS given(name, digest, place)
ORDER BY place
ON CONFLICT (name_digest) DO UPDATE SET name = held.name WHERE false
"""
_LOCKED = "SELECT name_digest, id, samples FROM {identities} WHERE name_digest = ANY(%(digests)s)"
_RENAME = """
UPDATE {identities} AS held SET name = %(to)s, name_digest = %(to digest)s
FROM {identities} AS former WHERE former.id = held.id AND held.name_digest = %(digest)s
RETURNING held.id, former.name
"""
_MOVE = """
UPDATE {embeddings} SET identity_id = %(to)s WHERE id = ANY(%(samples)s) RETURNING id
"""
_ERASE = "DELETE FROM {embeddings} WHERE id = ANY(%s)"
_DROP = "DELETE FROM {identities} WHERE id = ANY(%s)"
_SETTLE = """
UPDATE {identities} SET samples = %s, vector_sum = %s, centroid = %s WHERE id = %s
"""


def lock(gallery: Gallery, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Hold the rows of identities, made where they are new, in the order of their digests, so that
    no two transactions wait for each other; of each the row and how many samples it has."""
    digests = {rows.digest(name): name for name in names}
    values = {
        "names": [digests[digest] for digest in sorted(digests)],
        "digests": sorted(digests),
        "zero": gallery.zero,
    }
    gallery.execute(_LOCK_ALL, values)
    found = gallery.execute(_LOCKED, values, binary=True, prepare=False)
    return {digests[digest]: (row, held) for digest, row, held in found}


def settle(gallery: Gallery, identities: Mapping[int, str], template: Template | None) -> None:
    """Make count, sum and template of locked identities anew, given as row and name; one without
    samples goes."""
    held = rows.samples_of(gallery, list(identities))
    drop(gallery, [row for row in identities if row not in held])
    for row, samples in held.items():
        total = weighted_sum(samples)
        direction = template_direction(template or weighted_sum, samples, identities[row])
        values = [len(samples.weights), SqlVector(total), SqlVector(direction), row]
        gallery.execute(_SETTLE, values)


def change_name(gallery: Gallery, identity: str, to: str) -> tuple[int, str]:
    """The row of an identity that has another name now, and its former one."""
    names = {"digest": rows.digest(identity), "to": to, "to digest": rows.digest(to)}
    try:
        renamed = gallery.execute(_RENAME, names).fetchone()
    except errors.UniqueViolation as error:
        raise name_taken(to) from error
    if renamed is None:
        raise not_enrolled(identity)
    return renamed[0], renamed[1]


def move(gallery: Gallery, samples: Sequence[int], to: int) -> list[int]:
    """Give the samples of these numbers to the identity of a row; which of them there are."""
    moving = {"to": to, "samples": list(samples)}
    return [number for (number,) in gallery.execute(_MOVE, moving)]


def drop(gallery: Gallery, identities: Sequence[int]) -> None:
    """Erase the identities of these rows."""
    gallery.execute(_DROP, [list(identities)])


def drop_samples(
    gallery: Gallery,
    identities: Mapping[int, str],
    samples: Sequence[int],
    template: Template | None,
) -> int:
    """Erase samples of identities, given as row and name, and settle these; how many there were."""
    erased = gallery.execute(_ERASE, [list(samples)]).rowcount
    erase_elsewhere(gallery, samples=samples)
    settle(gallery, identities, template)
    return erased


def erase_elsewhere(
    gallery: Gallery, *, identities: Sequence[int] = (), samples: Sequence[int] = ()
) -> None:
    """What was erased in one collection of a gallery, erase in the other, where there is one."""
    twin = gallery.twin
    if twin.exists:
        drop(twin, identities)
        twin.execute(_ERASE, [list(samples)])
