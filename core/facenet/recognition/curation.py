"""Putting a gallery right: other names, samples of someone else; and all that it holds on one."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from facenet.errors import RequestError
from facenet.paths import whole_file
from facenet.recognition.enrolment import template_of
from facenet.recognition.recognizer import Recognizer
from facenet.types import CuratedStore, HeldSample, IdentityRecord


def rename(recognizer: Recognizer, identity: str, to: str) -> None:
    """Give an identity another name; raises `RequestError` where the store cannot, and
    `StoreError` as `CuratedStore.rename` does."""
    _curated(recognizer).rename(identity, to)


def merge(recognizer: Recognizer, identity: str, into: str) -> int:
    """Make two identities one, of the second's name; how many samples it got.

    Raises `RequestError` where the store cannot, and where either is not enrolled; `StoreError` as
    `CuratedStore.transfer` does.
    """
    store = _curated(recognizer)
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
    return _curated(recognizer).transfer(identity, to, samples=samples, template=template)


def holdings(recognizer: Recognizer, identity: str) -> tuple[IdentityRecord, list[HeldSample]]:
    """All that the gallery holds on one identity: its record, and each sample.

    Raises `RequestError` where the store cannot tell, and where nobody of that name is enrolled.
    """
    store = _curated(recognizer)
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


def _curated(recognizer: Recognizer) -> CuratedStore:
    store = recognizer.store
    if not isinstance(store, CuratedStore):
        raise RequestError(
            f"the store {recognizer.config.store.plugin!r} can neither rename identities nor move "
            "samples: use one that can, such as pgvector"
        )
    return store
