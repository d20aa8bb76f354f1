"""What can be wrong inside of a gallery and is seen only in its tables; and putting it right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from pgvector import Vector as SqlVector
from psycopg import errors

from facenet.gallery import weighted_sum
from facenet.stores import Finding
from facenet.text import count, listed
from facenet_pgvector import rows, structure
from facenet_pgvector.tables import Gallery, Transaction

_SOUND = "abs(vector_norm(embedding) - 1) <= 1e-3"
"""Of a sample. False, too, where a number of it is not one."""
_IDENTITIES_AT_ONCE = 100

_ORPHANS = """
SELECT identity_id, count(*)
FROM {embeddings} LEFT JOIN {identities} AS held ON held.id = identity_id
WHERE held.id IS NULL GROUP BY identity_id ORDER BY identity_id
"""
_DROP_ORPHANS = """
DELETE FROM {embeddings}
WHERE NOT EXISTS (SELECT FROM {identities} AS held WHERE held.id = identity_id)
"""
_UNSOUND = f"""
SELECT held.id, held.name, sample.id, vector_norm(embedding)
FROM {{embeddings}} AS sample JOIN {{identities}} AS held ON held.id = identity_id
WHERE NOT {_SOUND} ORDER BY held.id, sample.id
"""
_DROP_WITHOUT_DIRECTION = """
DELETE FROM {embeddings} WHERE id = ANY(%s) AND NOT (vector_norm(embedding) BETWEEN 1e-30 AND 1e300)
"""
_SCALE = "UPDATE {embeddings} SET embedding = l2_normalize(embedding) WHERE id = ANY(%s)"
# An identity with unsound samples has a finding already; its sum could not even be made.
_MISCOUNTED = f"""
SELECT held.id, name, held.samples, coalesce(actual.samples, 0), vector_sum <-> total
FROM {{identities}} AS held LEFT JOIN (
    SELECT identity_id, count(*) AS samples, bool_and(sound) AS sound, sum(part) AS total
    FROM (
        SELECT identity_id, {_SOUND} AS sound, CASE
            WHEN NOT {_SOUND} THEN NULL
            WHEN weight = 1 THEN embedding
            ELSE embedding * array_fill(weight, ARRAY[vector_dims(embedding)])::vector
        END AS part
        FROM {{embeddings}}
    ) AS sample
    GROUP BY identity_id
) AS actual ON identity_id = held.id
WHERE held.samples <> coalesce(actual.samples, 0)
    OR sound AND NOT (vector_sum <-> total <= 1e-5 * greatest(actual.samples, 10))
ORDER BY name COLLATE "C"
"""
_LOCK = "SELECT id FROM {identities} WHERE id = ANY(%s) ORDER BY name_digest FOR UPDATE"
_RECOUNT = "UPDATE {identities} SET samples = %s, vector_sum = %s WHERE id = %s"
_MISFILED = """
SELECT id, name FROM {identities} WHERE name_digest <> sha256(convert_to(name, 'UTF8'))
ORDER BY name COLLATE "C"
"""
_FILE = """
UPDATE {identities} SET name_digest = sha256(convert_to(name, 'UTF8')) WHERE id = %s
"""
_SHARED_KEYS = """
SELECT identities, count(*) FROM (
    SELECT array_agg(DISTINCT name) AS identities
    FROM {embeddings} JOIN {identities} AS held ON held.id = identity_id
    WHERE key_digest IN (
        SELECT key_digest FROM {embeddings} GROUP BY key_digest
        HAVING min(identity_id) < max(identity_id)
    )
    GROUP BY key_digest
) AS shared
GROUP BY identities ORDER BY identities
"""


def check(change: Transaction, *, repair: bool) -> Iterator[Finding]:
    """All findings, one kind after the other, each kind in a transaction of its own."""
    for look in (_orphans, _vectors, _counts, _names, _keys, structure.check):
        with change() as gallery:
            # All of a gallery is read. The pool winds it up again.
            gallery.connection.patience = None
            found = look(gallery, repair)
        yield from found


def _orphans(gallery: Gallery, repair: bool) -> list[Finding]:
    found = gallery.execute(_ORPHANS).fetchall()
    if found and repair:
        gallery.execute(_DROP_ORPHANS)
    return [
        Finding("orphans", (), f"{_samples(number)} of row {row}, which is no identity", repair)
        for row, number in found
    ]


def _vectors(gallery: Gallery, repair: bool) -> list[Finding]:
    """Those without direction are dropped, the others are scaled."""
    found = gallery.execute(_UNSOUND).fetchall()
    if found and repair:
        _lock(gallery, [identity for identity, *_ in found])
        samples = [sample for _, _, sample, _ in found]
        gallery.execute(_DROP_WITHOUT_DIRECTION, [samples])
        gallery.execute(_SCALE, [samples])
        _recount(gallery, [identity for identity, *_ in found])
    findings = []
    for (_, name), theirs in groupby(found, key=itemgetter(0, 1)):
        lengths = [length for *_, length in theirs]
        text = f"{name!r} holds {_samples(len(lengths))} not of unit length, but {lengths[0]:.3g}"
        findings.append(Finding("vectors", (name,), text, repair))
    return findings


def _counts(gallery: Gallery, repair: bool) -> list[Finding]:
    found = gallery.execute(_MISCOUNTED).fetchall()
    if found and repair:
        identities = [identity for identity, *_ in found]
        _lock(gallery, identities)
        _recount(gallery, identities)
    return [
        Finding("counts", (name,), f"{name!r} {_miscount(*numbers)}", repair)
        for _, name, *numbers in found
    ]


def _miscount(counted: int, held: int, distance: float | None) -> str:
    if counted != held:
        return f"counts {_samples(counted)}, but holds {held}"
    return f"has a sum that is {distance:.1e} off that of its {_samples(held)}"


def _names(gallery: Gallery, repair: bool) -> list[Finding]:
    findings = []
    for identity, name in gallery.execute(_MISFILED).fetchall():
        text = f"{name!r} is filed under another name, so that no call finds it"
        done = repair
        if repair:
            try:
                with gallery.connection.transaction():
                    gallery.execute(_FILE, [identity])
            except errors.UniqueViolation:
                text, done = f"{text}; there is another of this name", False
        findings.append(Finding("names", (name,), text, done))
    return findings


def _keys(gallery: Gallery, _repair: bool) -> list[Finding]:
    found = gallery.execute(_SHARED_KEYS)
    return [
        Finding("duplicates", tuple(names), f"{listed(names)} share {count(keys, 'key')}")
        for names, keys in found
    ]


def _lock(gallery: Gallery, identities: Sequence[int]) -> None:
    """Nobody else changes these until the transaction ends; in the order in which enrolments
    lock."""
    gallery.execute(_LOCK, [list(identities)])


def _recount(gallery: Gallery, identities: Sequence[int]) -> None:
    """Count and sum from the samples; the identities must be locked."""
    each = list(dict.fromkeys(identities))
    nothing = rows.samples([], gallery.dim)
    for start in range(0, len(each), _IDENTITIES_AT_ONCE):
        some = each[start : start + _IDENTITIES_AT_ONCE]
        held = rows.samples_of(gallery, some)
        for identity in some:
            samples = held.get(identity, nothing)
            values = [len(samples.weights), SqlVector(weighted_sum(samples)), identity]
            gallery.execute(_RECOUNT, values)


def _samples(number: int) -> str:
    return count(number, "sample")
