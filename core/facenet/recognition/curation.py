"""Putting a gallery right: other names, samples of someone else; and all that it holds on one."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from facenet.curated_stores import HeldSample, LogEntry, LoggedStore, PurgingStore
from facenet.errors import RequestError
from facenet.paths import whole_file
from facenet.recognition.abilities import curated
from facenet.recognition.enrolment import template_of
from facenet.recognition.recognizer import Recognizer
from facenet.stores import IdentityRecord
from facenet.text import count

LOOK_BACK = 1000


def rename(recognizer: Recognizer, identity: str, to: str) -> None:
    """Give an identity another name; raises `RequestError` where the store cannot, and
    `StoreError` as `CuratedStore.rename` does."""
    curated(recognizer).rename(identity, to)


def merge(recognizer: Recognizer, identity: str, into: str) -> int:
    """Make two identities one, of the second's name; how many samples it got.

    Raises `RequestError` where the store cannot, and where either is not enrolled; `StoreError` as
    `CuratedStore.transfer` does.
    """
    store = curated(recognizer)
    if store.get(into) is None:
        raise RequestError(
            f"{into!r} is not enrolled: to give {identity!r} that name, rename it instead"
        )
    return store.transfer(identity, into, template=template_of(recognizer.config))


def move(recognizer: Recognizer, identity: str, to: str, samples: Sequence[int]) -> int:
    """Move the samples of these numbers to another identity, made when new; how many it got.

    Raises `RequestError` where the store cannot, and `StoreError` as `CuratedStore.transfer` does.
    """
    template = template_of(recognizer.config)
    return curated(recognizer).transfer(identity, to, samples=samples, template=template)


def erase(recognizer: Recognizer, identity: str, samples: Sequence[int]) -> int:
    """Erase the samples of these numbers; how many went.

    Raises `RequestError` where the store cannot, and `StoreError` as `CuratedStore.erase` does.
    """
    return curated(recognizer).erase(identity, samples, template=template_of(recognizer.config))


def expire(recognizer: Recognizer, before: datetime, *, dry_run: bool = False) -> dict[str, int]:
    """Erase all samples that were enrolled before a time: how many of whom.

    With `dry_run` nothing is erased. Raises `RequestError` where the store cannot.
    """
    store = curated(recognizer)
    found = dict(store.older(before))
    if not dry_run:
        for identity, samples in found.items():
            erase(recognizer, identity, samples)
    return {identity: len(samples) for identity, samples in found.items()}


def history(
    recognizer: Recognizer, *, identity: str | None = None, limit: int | None = None
) -> list[LogEntry]:
    """The latest entries of the gallery's log, the last first.

    Raises `RequestError` where the store keeps none.
    """
    return _logged(recognizer).history(identity=identity, limit=limit)


def undo(recognizer: Recognizer, number: int | None = None) -> LogEntry:
    """Take back the change of an entry of the log, or of the last that can be, if it is among the
    latest `LOOK_BACK`; the entry of that.

    An enrolment, which is erased for good by that, is taken back by its number only. Raises
    `RequestError` where the store keeps no log, and where there is nothing else to take back;
    `StoreError` as `LoggedStore.undo` does.
    """
    store = _logged(recognizer)
    if number is None:
        latest = next((each for each in store.history(limit=LOOK_BACK) if each.undoable), None)
        if latest is None:
            raise RequestError(f"none of the latest {LOOK_BACK:,} changes can be taken back")
        number = latest.number
        if latest.action == "enrol":
            raise RequestError(
                f"the last change, entry {number}, has enrolled "
                f"{count(latest.samples, 'sample')} of {latest.identity!r}: to undo it is to erase "
                "them for good, and asks for its number"
            )
    return store.undo(number, template=template_of(recognizer.config))


def purge(recognizer: Recognizer) -> None:
    """End what the store's engine keeps of what was erased; raises `RequestError` where the store
    cannot."""
    store = recognizer.store
    if not isinstance(store, PurgingStore):
        raise RequestError(
            f"the store {recognizer.config.store.plugin!r} has nothing to purge: what it forgets "
            "is gone, or kept by an engine that it does not rule"
        )
    store.purge()


def holdings(recognizer: Recognizer, identity: str) -> tuple[IdentityRecord, list[HeldSample]]:
    """All that the gallery holds on one identity: its record, and each sample.

    Raises `RequestError` where the store cannot tell, and where nobody of that name is enrolled.
    """
    store = curated(recognizer)
    record, samples = store.get(identity), store.holdings(identity)
    if record is None or not samples:
        raise RequestError(f"{identity!r} is not in the gallery")
    return record, samples


def export_identity(recognizer: Recognizer, identity: str, path: Path) -> int:
    """Write a ZIP file with all that the gallery holds on one identity; how many samples it has.

    `identity.json` holds the name, metadata, template, embedding space, and of each sample number,
    time, key, weight, vector and the name of its aligned face, a PNG file beside it, where one was
    kept. The file is readable by its owner alone. Raises `RequestError` as `holdings` does,
    `FacenetError` when the file cannot be written.
    """
    record, samples = holdings(recognizer, identity)
    faces = {one.number: f"face-{one.number}.png" for one in samples if one.crop is not None}
    content = {
        "exported": datetime.now(UTC).isoformat(),
        "space": recognizer.model.card.space,
        **record.to_dict(),
        "samples": [
            {
                "number": one.number,
                "enrolled": one.at.isoformat(),
                "key": one.key,
                "weight": one.weight,
                "embedding": one.embedding.tolist(),
                "face": faces.get(one.number),
            }
            for one in samples
        ],
    }
    with whole_file(path) as partial:
        partial.touch(mode=0o600)
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            text = json.dumps(content, indent=2, ensure_ascii=False)
            archive.writestr("identity.json", text)
            for one in samples:
                if one.crop is not None:
                    archive.writestr(faces[one.number], one.crop)
    return len(samples)


def _logged(recognizer: Recognizer) -> LoggedStore:
    store = recognizer.store
    if not isinstance(store, LoggedStore):
        raise RequestError(
            f"the store {recognizer.config.store.plugin!r} keeps no log: use one that does, such "
            "as pgvector"
        )
    return store
