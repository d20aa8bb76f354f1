"""Taking back what stands in the log of a gallery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from facenet.curated_stores import LogEntry
from facenet.errors import StoreError
from facenet_pgvector import identities, log
from facenet_pgvector.tables import Gallery

if TYPE_CHECKING:
    from facenet.stores import Template

_ENTRY = """
SELECT action, entry.identity_id, entry.other_id, one.name, other.name, state
FROM {log} AS entry
LEFT JOIN {undo} AS kept ON kept.log_id = entry.id
LEFT JOIN {identities} AS one ON one.id = entry.identity_id
LEFT JOIN {identities} AS other ON other.id = entry.other_id
WHERE entry.id = %s
"""
_ENROLLED_BY = "SELECT array(" + log.ENROLLED + ") FROM {log} AS entry WHERE entry.id = %s"
_STILL_THERE = "SELECT id FROM {embeddings} WHERE identity_id = %s AND id = ANY(%s)"
_FORGET_STATE = "DELETE FROM {undo} WHERE log_id = %s"
_SET_METADATA = "UPDATE {identities} SET metadata = %s WHERE id = %s"
_COPY_DOUBLES = """
INSERT INTO {embeddings} (identity_id, embedding, key, key_digest, created_at, weight, crop)
SELECT %(to)s, embedding, key, key_digest, created_at, weight, crop FROM {embeddings}
WHERE identity_id = %(from)s AND encode(key_digest, 'hex') = ANY(%(keys)s)
ON CONFLICT DO NOTHING
"""


def undo(gallery: Gallery, number: int, template: Template | None) -> LogEntry:
    """Whatever is raised must end the transaction."""
    entry = gallery.execute(_ENTRY, [number]).fetchone()
    if entry is None:
        raise StoreError(f"the log has no entry {number}: 'facenet store log' lists them")
    action, one, other, name, others_name, state = entry
    if action == "enrol":
        samples = _take_out(gallery, number, one, name, template)
    elif state is None:
        raise _not_undoable(number, action)
    elif action == "rename":
        identities.change_name(gallery, name, state["name"])
        samples = 0
    else:
        samples, one = _bring_back(
            gallery, number, (one, name), (other, others_name), state, template
        )
    gallery.execute(_FORGET_STATE, [number])
    log.note(gallery, "undo", one, other, samples, number)
    return log.entries(gallery, None, 1)[0]


def _take_out(
    gallery: Gallery, number: int, row: int, name: str | None, template: Template | None
) -> int:
    """Erase what an entry enrolled."""
    if name is None:
        raise _not_undoable(number, "enrol")
    identities.lock(gallery, [name])
    [samples] = gallery.one(_ENROLLED_BY, [number])
    if not samples:
        raise _not_undoable(number, "enrol")
    return identities.drop_samples(gallery, {row: name}, samples, template)


def _bring_back(
    gallery: Gallery,
    number: int,
    source: tuple[int, str | None],
    target: tuple[int, str | None],
    state: dict[str, Any],
    template: Template | None,
) -> tuple[int, int]:
    """Give the samples of a move back to whose they were, who is enrolled again where they were
    all; how many, and the row of that identity."""
    (row, name), (target_row, target_name) = source, target
    if target_name is None:
        raise _not_undoable(number, "move")
    former = name or state["name"]
    locked = identities.lock(gallery, [former, target_name])
    back, held = locked[former]
    if held and back != row:
        raise StoreError(
            f"entry {number} cannot be undone: {former!r} is another identity now; rename that one "
            "first"
        )
    there = gallery.execute(_STILL_THERE, [target_row, state["samples"]])
    samples = [sample for (sample,) in there]
    if not samples and not state["doubles"]:
        raise _not_undoable(number, "move")
    moved = len(identities.move(gallery, samples, back))
    doubles = {"from": target_row, "to": back, "keys": state["doubles"]}
    moved += gallery.execute(_COPY_DOUBLES, doubles).rowcount
    metadata = {back: state["metadata"]} if name is None else {}
    if state["whole"]:
        metadata[target_row] = state["theirs"]
    for each, values in metadata.items():
        gallery.execute(_SET_METADATA, [Jsonb(values), each])
    identities.settle(gallery, {back: former, target_row: target_name}, template)
    return moved, back


def _not_undoable(number: int, action: str) -> StoreError:
    reasons = {
        "enrol": "nothing is left of what it enrolled",
        "move": "nothing is left of what it moved, or it was undone",
        "rename": "it was undone, or the identity is gone",
    }
    reason = reasons.get(action, f"what was done by {action} is done for good")
    return StoreError(f"entry {number} cannot be undone: {reason}")
