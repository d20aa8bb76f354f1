"""Many enrolments inside one transaction, with the rows of their identities locked.

A few statements, however many there are. Those that join are planned each time, for as many rows as
they get: a plan that is kept from when the gallery was small would read all of it later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pgvector import Vector as SqlVector
from psycopg.types.json import Jsonb

from facenet.gallery import CheckedAddition, check_length, template_direction, weighted_sum
from facenet.stores import Samples
from facenet_pgvector import identities, rows
from facenet_pgvector.tables import Gallery

if TYPE_CHECKING:
    from facenet.stores import Template
    from facenet.types import Vector

_ALL_HELD_KEYS = """
SELECT identity_id, key_digest FROM {embeddings}
JOIN unnest(%s::bigint[], %s::bytea[]) AS given(row, key)
ON identity_id = given.row AND key_digest = given.key
"""
_ADD_SAMPLES = """
COPY {embeddings} (identity_id, embedding, weight, crop, key, key_digest) FROM STDIN (FORMAT binary)
"""
_SETTLE_ALL = """
WITH noted AS (
    INSERT INTO {log} (action, identity_id, samples)
    SELECT 'enrol', row, samples
    FROM unnest(%(rows)s::bigint[], %(samples)s::bigint[]) AS given(row, samples) WHERE samples > 0
)
UPDATE {identities} AS held SET
    vector_sum = held.vector_sum + given.total,
    samples = held.samples + given.samples,
    centroid = coalesce(given.template, l2_normalize(held.vector_sum + given.total)),
    metadata = held.metadata || given.metadata
FROM unnest(
    %(rows)s::bigint[], %(samples)s::bigint[], %(sums)b::vector[], %(templates)b::vector[],
    %(metadata)s::jsonb[]
) AS given(row, samples, total, template, metadata)
WHERE held.id = given.row
RETURNING held.id, vector_norm(held.vector_sum)
"""


class _Fresh(NamedTuple):
    """What is new of an addition for the identity in row `row`: its `samples`, and of each the
    crop, the key and the key's digest, where it has them."""

    row: int
    samples: Samples
    extras: list[rows.Extras]


@dataclass(slots=True)
class _Identity:
    """An identity's row that is locked, and what the additions change of it."""

    name: str
    row: int
    held: int
    total: Vector
    keys: set[bytes] = field(default_factory=set)
    added: int = 0
    metadata: dict[str, Any] = field(default_factory=dict)


def enrol_many(
    gallery: Gallery, additions: Sequence[CheckedAddition], template: Template | None
) -> list[int]:
    """Make all additions and settle the templates; how many samples each has added.

    Whatever is raised must end the transaction.
    """
    if not additions:
        return []
    locked = identities.lock(gallery, [given.identity for given in additions])
    zero: Vector = np.zeros(gallery.dim, np.float32)
    held = {name: _Identity(name, *row, zero) for name, row in locked.items()}
    keys = [rows.digests(given.keys) for given in additions]
    _read_keys(gallery, [held[given.identity] for given in additions], keys)
    fresh = [
        _add(held[given.identity], given, theirs)
        for given, theirs in zip(additions, keys, strict=True)
    ]
    _copy(gallery, fresh)
    _settle(gallery, list(held.values()), template)
    return [len(each.extras) for each in fresh]


def _read_keys(
    gallery: Gallery, changed: Sequence[_Identity], keys: Sequence[Sequence[bytes] | None]
) -> None:
    """Find which of the keys of additions their identities hold."""
    pairs = [
        (identity.row, key)
        for identity, theirs in zip(changed, keys, strict=True)
        if identity.held
        for key in theirs or ()
    ]
    if pairs:
        by_row = {identity.row: identity for identity in changed}
        values = [list(column) for column in zip(*pairs, strict=True)]
        for row, key in gallery.execute(_ALL_HELD_KEYS, values, binary=True, prepare=False):
            by_row[row].keys.add(key)


def _add(identity: _Identity, given: CheckedAddition, digests: list[bytes] | None) -> _Fresh:
    """Choose what is new of an addition, and count it in for its identity."""
    samples, extras = rows.fresh(given, digests, identity.keys)
    identity.keys.update(digests or ())
    identity.added += len(extras)
    identity.total = identity.total + weighted_sum(samples)
    if identity.held + identity.added:
        identity.metadata |= given.metadata
    return _Fresh(identity.row, samples, extras)


def _copy(gallery: Gallery, fresh: Sequence[_Fresh]) -> None:
    counts = [len(each.extras) for each in fresh]
    if not any(counts):
        return
    located = np.repeat([each.row for each in fresh], counts)
    samples = Samples(*map(np.concatenate, zip(*(each.samples for each in fresh), strict=True)))
    extras = [each for addition in fresh for each in addition.extras]
    with gallery.connection.cursor().copy(gallery.compose(_ADD_SAMPLES)) as copy:
        for block in rows.packed(located, samples, extras):
            copy.write(block)


def _settle(gallery: Gallery, changed: Sequence[_Identity], template: Template | None) -> None:
    """Write sums, templates and metadata; an identity without samples was never there."""
    filled = [each for each in changed if each.held + each.added]
    if len(filled) < len(changed):
        identities.drop(gallery, [each.row for each in changed if not each.held + each.added])
    if not filled:
        return
    templates = template and _templates(gallery, filled, template)
    settled = gallery.execute(
        _SETTLE_ALL,
        {
            "rows": [each.row for each in filled],
            "samples": [each.added for each in filled],
            "sums": [SqlVector(each.total) for each in filled],
            "templates": templates,
            "metadata": [Jsonb(each.metadata) for each in filled],
        },
        binary=True,
        prepare=False,
    )
    if template is None:
        lengths: dict[int, float] = dict(settled.fetchall())
        for each in filled:
            check_length(lengths[each.row], each.name)


def _templates(
    gallery: Gallery, changed: Sequence[_Identity], template: Template
) -> list[SqlVector]:
    """What `template` makes of all samples of each identity."""
    held = rows.samples_of(gallery, [each.row for each in changed])
    return [SqlVector(template_direction(template, held[each.row], each.name)) for each in changed]
