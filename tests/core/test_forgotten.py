"""What is forgotten and purged is nowhere any more: not one byte of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from .opening import Gallery, opened

Facenet = Callable[..., Any]
CANARY = "Canary Wharfinger"


@pytest.fixture
def place(gallery: Gallery) -> Path:
    """The folder of the embedded server."""
    option = next(str(each) for each in gallery if "data_dir" in str(each))
    return Path(option.partition("data_dir: ")[2].rstrip("}"))


def sightings(traces: dict[str, bytes], *folders: Path) -> set[str]:
    """Which traces stand in any file below the folders, and where."""
    found = set()
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                found |= {f"{what} in {path}" for what, trace in traces.items() if trace in content}
    return found


def test_no_byte_of_a_canary_is_left(
    facenet, gallery, place: Path, faces: Path, tmp_path: Path
) -> None:
    photo = tmp_path / "canary.png"
    noise = np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8)
    Image.fromarray(noise).save(photo)
    assert facenet("enrol", CANARY, photo, *gallery).code == 0
    assert (
        facenet("enrol", "maiden name", *sorted((faces / "id-002").iterdir()), *gallery).code == 0
    )
    assert facenet("store", "rename", "maiden name", "married name", *gallery).code == 0
    with opened(gallery) as recognizer:
        store: Any = recognizer.store
        [sample] = store.holdings(CANARY)
        centroid = store.get(CANARY).centroid
        assert store.search(centroid[np.newaxis])[0][0].identity == CANARY
    traces = {
        "name": CANARY.encode(),
        "former name": b"maiden name",
        "vector": bytes_of(sample.embedding),
        "template": bytes_of(centroid),
        "crop": sample.crop[60:120],
        "key": sample.key.encode(),
    }
    seen = sightings(traces, place)
    assert {each.partition(" in ")[0] for each in seen} >= {"name", "vector", "crop", "former name"}

    photo.unlink()
    assert facenet("forget", CANARY, *gallery).code == 0
    assert facenet("forget", "married name", *gallery).code == 0
    assert sightings(traces, place), "what was deleted is in the files still"
    ran = facenet("store", "purge", *gallery)
    assert (ran.code, ran.out) == (0, "purged\n")
    dump = tmp_path / "after.dump"
    assert facenet("store", "dump", dump, *gallery).code == 0
    assert facenet("store", "export", tmp_path / "after.jsonl", *gallery).code == 0
    assert sightings(traces, place, tmp_path) == set()
    assert facenet("store", "audit", *gallery).code == 0
    status = facenet("store", "list", *gallery, "--json").json()
    assert [each["identity"] for each in status] == ["id-000", "id-001"]


def bytes_of(vector: Any) -> bytes:
    """Some of a vector, as PostgreSQL writes it to its tables: in the machine's own order."""
    return np.asarray(vector, np.float32)[2:10].tobytes()


def test_who_searches_or_enrols_meanwhile_waits(gallery, faces: Path) -> None:
    with opened(gallery) as recognizer, ThreadPoolExecutor(2) as threads:
        store: Any = recognizer.store
        probe = store.get("id-000").centroid[np.newaxis]
        done = threading.Event()

        def search() -> int:
            count = 0
            while not done.is_set():
                assert store.search(probe, top_k=1)[0][0].identity == "id-000"
                assert store.search(probe, where={"file": "id-001"})[0][0].identity == "id-001"
                count += 1
            return count

        def enrol() -> int:
            photos = sorted((faces / "id-001").iterdir())[3:]
            return sum(recognizer.enrol("id-001", [photo]).added for photo in photos)

        searches, added = threads.submit(search), threads.submit(enrol)
        for _ in range(2):
            store.purge()
        assert added.result() == 3
        done.set()
        assert searches.result() > 0
        assert store.get("id-001").samples == 6
