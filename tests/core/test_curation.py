"""Names, samples and copies of what is held: `facenet store` for who looks after a gallery."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Facenet = Callable[..., Any]


def listed(facenet: Facenet, gallery: tuple[object, ...], identity: str) -> list[dict[str, Any]]:
    ran = facenet("store", "samples", identity, *gallery, "--json")
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = ran.json()
    return found


def test_a_sample_of_someone_else_goes_where_it_belongs(facenet, gallery, faces: Path) -> None:
    stranger = sorted((faces / "id-001").iterdir())[3]
    assert facenet("enrol", "id-000", stranger, *gallery, "--set", "quality=off").code == 0
    before = listed(facenet, gallery, "id-000")
    worst = min(before, key=lambda sample: sample["similarity"])
    assert worst["number"] == before[-1]["number"]
    table = facenet("store", "samples", "id-000", *gallery).out
    assert all(str(sample["number"]) in table for sample in before)
    ran = facenet("store", "move", "id-000", "id-001", "--sample", worst["number"], *gallery)
    assert (ran.code, ran.out) == (0, "1 sample of id-000 moved to id-001\n")
    assert [len(listed(facenet, gallery, name)) for name in ("id-000", "id-001")] == [3, 4]
    assert facenet("store", "audit", *gallery).code == 0


def test_two_names_of_one_person_become_one(facenet, gallery) -> None:
    ran = facenet("store", "merge", "id-001", "id-000", *gallery)
    assert (ran.code, ran.out) == (0, "3 samples of id-001 moved to id-000; id-001 is gone\n")
    assert len(listed(facenet, gallery, "id-000")) == 6
    ran = facenet("store", "rename", "id-000", "Zoë", *gallery)
    assert (ran.code, ran.out) == (0, "id-000 is now Zoë\n")
    assert facenet("store", "audit", *gallery, "--json").json()["identities"] == 1
    for number in [sample["number"] for sample in listed(facenet, gallery, "Zoë")][:-1]:
        assert facenet("store", "move", "Zoë", "new", "--sample", number, *gallery).code == 0
    [last] = listed(facenet, gallery, "Zoë")
    ran = facenet("store", "move", "Zoë", "new", "--sample", last["number"], *gallery)
    assert ran.out == "1 sample of Zoë moved to new; Zoë is gone\n"


def test_the_configured_template_is_made_of_what_was_moved(facenet, gallery) -> None:
    robust = (*gallery, "--set", "template=robust")
    assert facenet("store", "audit", "--repair", *robust).code == 0
    assert facenet("store", "merge", "id-001", "id-000", *robust).code == 0
    assert facenet("store", "audit", *robust).code == 0


def test_all_that_is_held_on_one_person(facenet, gallery, tmp_path: Path) -> None:
    path = tmp_path / "out" / "id-000.zip"
    ran = facenet("store", "export-identity", "id-000", path, *gallery)
    assert (ran.code, ran.out) == (0, f"{path}: 3 samples of id-000\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    samples = listed(facenet, gallery, "id-000")
    with zipfile.ZipFile(path) as archive:
        found = json.loads(archive.read("identity.json"))
        assert set(archive.namelist()) == {
            "identity.json",
            *(f"face-{sample['number']}.png" for sample in samples),
        }
        for sample in found["samples"]:
            with Image.open(BytesIO(archive.read(sample["face"]))) as face:
                assert face.size == (32, 32)
    assert (found["identity"], found["metadata"]) == ("id-000", {"file": "id-000"})
    keys = [(one["number"], one["key"]) for one in samples]
    assert [(one["number"], one["key"]) for one in found["samples"]] == keys
    total = np.sum([one["embedding"] for one in found["samples"]], axis=0)
    np.testing.assert_allclose(found["centroid"], total / np.linalg.norm(total), atol=1e-6)


REFUSALS = [
    (["samples", "eve"], "'eve' is not in the gallery"),
    (["export-identity", "eve", "eve.zip"], "'eve' is not in the gallery"),
    (["rename", "eve", "eva"], "'eve' is not enrolled"),
    (["rename", "id-000", "id-001"], "'id-001' is another identity already: merge the two"),
    (["merge", "id-000", "id-000"], "'id-000' is one identity"),
    (["merge", "eve", "id-000"], "'eve' is not enrolled"),
    (["merge", "id-000", "eve"], "'eve' is not enrolled: to give 'id-000' that name, rename"),
    (["move", "id-000", "id-001", "--sample", "999"], "'id-000' has no sample of number 999"),
    (["move", "id-000", "id-001"], "--sample"),
    (["export-identity", "id-000", "/"], "is a folder"),
]


def test_what_cannot_be_done_is_one_line_and_changes_nothing(
    facenet, gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command, reason in REFUSALS:
        ran = facenet("store", *command, *gallery)
        assert (ran.code, ran.out) == (2, ""), command
        assert reason in ran.err
        assert "Traceback" not in ran.err
    assert not list(tmp_path.glob("*.zip"))
    assert [len(listed(facenet, gallery, name)) for name in ("id-000", "id-001")] == [3, 3]


def test_a_store_that_cannot_says_so(
    facenet, inference_yaml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("facenet_memory.store.MemoryStore.transfer")
    memory = ("--config", inference_yaml, "--set", "store=memory")
    ran = facenet("store", "rename", "ann", "eve", *memory)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("facenet: the store 'memory' can neither rename identities nor move")
