"""Putting a gallery right: other names, samples that go to another identity, and erasure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from psycopg.rows import TupleRow

from facenet.curated_stores import HeldSample
from facenet.gallery import chosen_samples, not_enrolled
from facenet_pgvector import identities, log, rows
from facenet_pgvector.tables import Gallery

if TYPE_CHECKING:
    from facenet.stores import Template

_HOLDINGS = """
SELECT id, embedding, weight, key, created_at, crop FROM {embeddings}
WHERE identity_id = (SELECT id FROM {identities} WHERE name_digest = %s) ORDER BY id
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
_METADATA = "SELECT metadata FROM {identities} WHERE id = %s"
_MERGE_METADATA = """
UPDATE {identities} AS held SET metadata = other.metadata || held.metadata
FROM {identities} AS other WHERE held.id = %s AND other.id = %s
"""
# Also what could be taken back of it, under this name or another.
_FORGET = """
WITH gone AS (
    DELETE FROM {identities} WHERE name_digest = %(digest)s RETURNING id, samples
), noted AS (
    INSERT INTO {log} (action, identity_id, samples) SELECT 'forget', id, samples FROM gone
), cleared AS (
    DELETE FROM {undo} WHERE sha256(convert_to(state ->> 'name', 'UTF8')) = %(digest)s
        OR identity_id IN (SELECT id FROM gone) OR other_id IN (SELECT id FROM gone)
)
SELECT id, samples FROM gone
"""


def holdings(gallery: Gallery, identity: str) -> list[HeldSample]:
    found = gallery.execute(_HOLDINGS, [rows.digest(identity)], binary=True)
    return [
        HeldSample(number, rows.vector(embedding), weight, key, at.astimezone(UTC), crop)
        for number, embedding, weight, key, at, crop in found
    ]


def older(gallery: Gallery, than: datetime) -> list[TupleRow]:
    return gallery.execute(_OLDER, [than]).fetchall()


def rename(gallery: Gallery, identity: str, to: str) -> None:
    """Whatever is raised must end the transaction."""
    row, former = identities.change_name(gallery, identity, to)
    if former != to:
        log.keep(gallery, log.note(gallery, "rename", row), row, None, {"name": former})


def transfer(
    gallery: Gallery,
    identity: str,
    to: str,
    samples: Sequence[int] | None,
    template: Template | None,
) -> int:
    """Move samples and settle both identities, whose rows are locked until the transaction ends.

    Whatever is raised must end the transaction.
    """
    locked = identities.lock(gallery, [identity, to])
    (source, held), (target, _) = locked[identity], locked[to]
    if not held:
        raise not_enrolled(identity)
    chosen = sorted(chosen_samples(identity, _numbers(gallery, source), samples))
    state: dict[str, Any] = {"name": identity, "whole": samples is None}
    for name, row in (("metadata", source), ("theirs", target)):
        [state[name]] = gallery.one(_METADATA, [row])
    doubles = gallery.execute(_DROP_DOUBLES, {"to": target, "samples": chosen})
    state["doubles"] = [key for (key,) in doubles]
    state["samples"] = identities.move(gallery, chosen, target)
    if samples is None:
        gallery.execute(_MERGE_METADATA, [target, source])
    identities.settle(gallery, {source: identity, target: to}, template)
    entry = log.note(gallery, "move", source, target, len(chosen))
    log.keep(gallery, entry, source, target, state)
    return len(state["samples"])


def erase(
    gallery: Gallery, identity: str, samples: Sequence[int], template: Template | None
) -> int:
    """Whatever is raised must end the transaction."""
    row, held = identities.lock(gallery, [identity])[identity]
    if not held:
        raise not_enrolled(identity)
    chosen = list(chosen_samples(identity, _numbers(gallery, row), samples))
    log.note(gallery, "erase", row, None, len(chosen))
    return identities.drop_samples(gallery, {row: identity}, chosen, template)


def forget(gallery: Gallery, identity: str) -> int:
    """Erase an identity, where there is one; how many samples went."""
    gone = gallery.execute(_FORGET, {"digest": rows.digest(identity)}).fetchall()
    identities.erase_elsewhere(gallery, identities=[row for row, _ in gone])
    return sum(samples for _, samples in gone)


def _numbers(gallery: Gallery, row: int) -> list[int]:
    return [number for (number,) in gallery.execute(_NUMBERS, [row])]
