"""Many enrolments inside one transaction, with the rows of their identities locked.

A few statements, however many there are. Those that join are planned each time, for as many rows as
they get: a plan that is kept from when the gallery was small would read all of it later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

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
    from facenet.types import Vector


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
    connection: Connection[TupleRow],
    tables: Tables,
    additions: Sequence[CheckedAddition],
    template: Template | None,
) -> list[int]:
    """Make all additions and settle the templates; how many samples each has added.

    Whatever is raised must end the transaction.
    """
    if not additions:
        return []
    digests = [rows.digest(given.identity) for given in additions]
    identities = _lock(connection, tables, dict(zip(digests, additions, strict=True)))
    keys = [rows.digests(given.keys) for given in additions]
    _read_keys(connection, tables, [identities[digest] for digest in digests], keys)
    fresh = [
        _add(identities[digest], given, theirs)
        for digest, given, theirs in zip(digests, additions, keys, strict=True)
    ]
    _copy(connection, tables, fresh)
    _settle(connection, tables, list(identities.values()), template)
    return [len(each.extras) for each in fresh]


def _lock(
    connection: Connection[TupleRow], tables: Tables, given: Mapping[bytes, CheckedAddition]
) -> dict[bytes, _Identity]:
    """Hold the identities' rows, which are made when they are new, until the transaction ends.

    In the order of their digests, so that no two transactions wait for each other.
    """
    digests = sorted(given)
    zero: Vector = np.zeros(given[digests[0]].samples.embeddings.shape[1], np.float32)
    names = [given[digest].identity for digest in digests]
    values = {"names": names, "digests": digests, "zero": SqlVector(zero)}
    connection.execute(tables.compose(queries.LOCK_ALL), values)
    found = connection.execute(tables.compose(queries.LOCKED), values, binary=True, prepare=False)
    return {
        digest: _Identity(given[digest].identity, row, held, zero) for digest, row, held in found
    }


def _read_keys(
    connection: Connection[TupleRow],
    tables: Tables,
    identities: Sequence[_Identity],
    keys: Sequence[Sequence[bytes] | None],
) -> None:
    """Find which of the keys of additions their identities hold."""
    pairs = [
        (identity.row, key)
        for identity, theirs in zip(identities, keys, strict=True)
        if identity.held
        for key in theirs or ()
    ]
    if pairs:
        by_row = {identity.row: identity for identity in identities}
        values = [list(column) for column in zip(*pairs, strict=True)]
        query = tables.compose(queries.ALL_HELD_KEYS)
        held = connection.execute(query, values, binary=True, prepare=False)
        for row, key in held:
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


def _copy(connection: Connection[TupleRow], tables: Tables, fresh: Sequence[_Fresh]) -> None:
    counts = [len(each.extras) for each in fresh]
    if not any(counts):
        return
    identities = np.repeat([each.row for each in fresh], counts)
    samples = Samples(*map(np.concatenate, zip(*(each.samples for each in fresh), strict=True)))
    extras = [each for addition in fresh for each in addition.extras]
    with connection.cursor().copy(tables.compose(queries.ADD_SAMPLES)) as copy:
        for block in rows.packed(identities, samples, extras):
            copy.write(block)


def _settle(
    connection: Connection[TupleRow],
    tables: Tables,
    identities: Sequence[_Identity],
    template: Template | None,
) -> None:
    """Write sums, templates and metadata; an identity without samples was never there."""
    filled = [each for each in identities if each.held + each.added]
    if len(filled) < len(identities):
        empty = [each.row for each in identities if not each.held + each.added]
        connection.execute(tables.compose(queries.DROP), [empty])
    if not filled:
        return
    templates = template and _templates(connection, tables, filled, template)
    settled = connection.execute(
        tables.compose(queries.SETTLE_ALL),
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
    connection: Connection[TupleRow],
    tables: Tables,
    identities: Sequence[_Identity],
    template: Template,
) -> list[SqlVector]:
    """What `template` makes of all samples of each identity."""
    dim, located = len(identities[0].total), [each.row for each in identities]
    held = rows.samples_of(connection, tables, located, dim)
    return [
        SqlVector(template_direction(template, held[each.row], each.name)) for each in identities
    ]
