"""The log of a gallery: what was done to it, and what it takes to undo that."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from psycopg.types.json import Jsonb

from facenet.curated_stores import LogEntry
from facenet_pgvector import rows
from facenet_pgvector.tables import Gallery

# What an enrolment added has its time: that of the transaction.
ENROLLED = """
SELECT sample.id FROM {embeddings} AS sample
WHERE sample.identity_id = entry.identity_id AND sample.created_at = entry.at
"""
_HISTORY = (
    """
SELECT entry.id, at, action, one.name, other.name, entry.samples, undoes,
    CASE action WHEN 'enrol' THEN EXISTS ("""
    + ENROLLED
    + """)
    ELSE EXISTS (SELECT FROM {undo} WHERE log_id = entry.id) END
FROM {log} AS entry
LEFT JOIN {identities} AS one ON one.id = entry.identity_id
LEFT JOIN {identities} AS other ON other.id = entry.other_id
WHERE %(digest)s::bytea IS NULL OR %(digest)s IN (one.name_digest, other.name_digest)
ORDER BY entry.id DESC LIMIT %(limit)s
"""
)
_NOTE = """
INSERT INTO {log} (action, identity_id, other_id, samples, undoes) VALUES (%s, %s, %s, %s, %s)
RETURNING id
"""
_KEEP = "INSERT INTO {undo} (log_id, identity_id, other_id, state) VALUES (%s, %s, %s, %s)"


def entries(gallery: Gallery, identity: str | None, limit: int | None) -> list[LogEntry]:
    values = {"digest": identity and rows.digest(identity), "limit": limit}
    found = gallery.execute(_HISTORY, values)
    return [LogEntry(number, at.astimezone(UTC), *rest) for number, at, *rest in found]


def note(
    gallery: Gallery,
    action: str,
    identity: int | None = None,
    other: int | None = None,
    samples: int = 0,
    undoes: int | None = None,
) -> int:
    """Add an entry, identities by their rows; its number."""
    [number] = gallery.one(_NOTE, [action, identity, other, samples, undoes])
    return int(number)


def keep(
    gallery: Gallery, entry: int, identity: int, other: int | None, state: Mapping[str, Any]
) -> None:
    """Remember what it takes to undo an entry, for as long as neither identity is forgotten."""
    gallery.execute(_KEEP, [entry, identity, other, Jsonb(state)])
