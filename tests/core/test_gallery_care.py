"""A gallery that is looked after for years: log, undo, retention, suspects, files."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .opening import opened

Facenet = Callable[..., Any]


def test_the_log_tells_what_was_done_and_undo_takes_it_back(facenet, gallery) -> None:
    assert facenet("store", "merge", "id-001", "id-000", *gallery).code == 0
    [moved, *_] = facenet("store", "log", *gallery, "--json").json()
    assert (moved["action"], moved["identity"], moved["other"]) == ("move", None, "id-000")
    assert "can be undone" in facenet("store", "log", *gallery).out
    ran = facenet("store", "undo", *gallery)
    assert (ran.code, ran.out) == (0, f"entry {moved['number']} is undone: id-001, 3 samples\n")
    listed = facenet("store", "list", *gallery, "--json").json()
    assert [(each["identity"], each["samples"], each["metadata"]) for each in listed] == [
        ("id-000", 3, {"file": "id-000"}),
        ("id-001", 3, {"file": "id-001"}),
    ]
    again = facenet("store", "undo", moved["number"], *gallery)
    assert again.code == 2
    assert f"entry {moved['number']} cannot be undone" in again.err
    last = facenet("store", "undo", *gallery)
    assert last.code == 2
    assert "has enrolled 3 samples of 'id-000': to undo it is to erase them for good" in last.err
    [enrolled] = facenet("store", "log", "--identity", "id-000", "--json", *gallery).json()[-1:]
    ran = facenet("store", "undo", enrolled["number"], *gallery)
    assert ran.out == f"entry {enrolled['number']} is undone, 3 samples\n"
    assert facenet("store", "audit", *gallery).code == 0


def test_single_samples_are_erased_for_good(facenet, gallery) -> None:
    held = facenet("store", "samples", "id-000", *gallery, "--json").json()
    numbers = [flag for one in held[:2] for flag in ("--sample", one["number"])]
    ran = facenet("store", "erase", "id-000", *numbers, *gallery)
    assert (ran.code, ran.out) == (0, "2 samples of id-000 erased\n")
    ran = facenet("store", "erase", "id-000", "--sample", held[2]["number"], *gallery)
    assert ran.out == "1 sample of id-000 erased; id-000 is gone\n"
    assert facenet("store", "log", "--limit", 1, *gallery, "--json").json()[0]["undoable"] is False


def test_a_retention_period_is_kept(facenet, gallery) -> None:
    import psycopg

    with opened(gallery) as recognizer:
        store: Any = recognizer.store
        [old, *_] = store.holdings("id-000")
        with store._transaction() as held:
            aged = datetime.now(UTC) - timedelta(days=400)
            query = "UPDATE faces SET created_at = %s WHERE id = %s OR identity_id = 2"
            held.execute(query, [aged, old.number])
        assert isinstance(held.connection, psycopg.Connection)
    dry = facenet("store", "expire", "--older-than", 365, "--dry-run", *gallery, "--json").json()
    assert dry["erased"] == {"id-000": 1, "id-001": 3}
    assert facenet("store", "expire", "--older-than", 500, *gallery).out.startswith("0 samples")
    ran = facenet("store", "expire", "--older-than", 365, *gallery)
    assert ran.out.startswith("4 samples of 2 identities erased, enrolled before ")
    [left] = facenet("store", "list", *gallery, "--json").json()
    assert (left["identity"], left["samples"]) == ("id-000", 2)
    assert facenet("store", "audit", *gallery).code == 0


def test_likely_duplicates_and_mix_ups_are_found(facenet, gallery, faces: Path) -> None:
    photos = sorted((faces / "id-000").iterdir())[3:]
    assert facenet("enrol", "twin", *photos, *gallery).code == 0
    stranger = sorted((faces / "id-001").iterdir())[3]
    assert facenet("enrol", "id-000", stranger, *gallery).code == 0
    with opened(gallery) as recognizer:
        store = recognizer.store
        twins = float(store.get("id-000").centroid @ store.get("twin").centroid)
        strange = store.holdings("id-000")[-1]  # type: ignore[attr-defined]
        rest = store.samples("id-000").embeddings[:-1].sum(axis=0)
        similarity = float(strange.embedding @ rest / np.linalg.norm(rest))
    found = facenet("store", "duplicates", "--threshold", twins - 0.01, *gallery, "--json").json()
    assert {"identity": "id-000", "other": "twin", "similarity": pytest.approx(twins)} in found
    said = facenet("store", "duplicates", "--threshold", twins - 0.01, *gallery).out
    assert f"{len(found)} pair" in said
    assert "`facenet store merge IDENTITY OTHER` makes two one" in said
    none = facenet("store", "duplicates", "--threshold", 1, *gallery)
    assert none.out == "no two identities are so similar\n"
    limit = ("--threshold", min(similarity + 0.01, 1), *gallery)
    mixed = facenet("store", "mix-ups", *limit, "--json").json()
    [seen] = [each for each in mixed if each["sample"] == strange.number]
    assert (seen["identity"], seen["similarity"]) == ("id-000", pytest.approx(similarity, abs=1e-5))
    assert mixed == sorted(mixed, key=lambda each: each["similarity"])
    said = facenet("store", "mix-ups", *limit).out
    assert str(strange.number) in said
    assert f"{len(mixed)} sample" in said
    assert "`facenet store move IDENTITY OTHER --sample NUMBER`" in said
    assert facenet("store", "mix-ups", "--threshold", -1, *gallery).out.startswith("every sample")


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_gallery_goes_through_a_file(facenet, gallery, tmp_path: Path, ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="needs facenet-kit[parquet]")
    path = tmp_path / f"gallery.{ending}"
    ran = facenet("store", "export", path, "--crops", *gallery)
    assert (ran.code, ran.out) == (0, f"{path}: 6 samples\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with opened(gallery) as recognizer:
        before = {name: recognizer.store.holdings(name) for name in ("id-000", "id-001")}  # type: ignore[attr-defined]
        recognizer.forget("id-000")
        recognizer.forget("id-001")
    ran = facenet("store", "export", path, *gallery)
    assert (ran.code, "the gallery is empty: nothing to write" in ran.err) == (2, True)
    ran = facenet("store", "import", path, *gallery)
    assert (ran.code, ran.out) == (0, f"{path}: 6 of 6 samples added\n")
    with opened(gallery) as recognizer:
        assert recognizer.store.get("id-000").metadata == {"file": "id-000"}
        for name, samples in before.items():
            again = recognizer.store.holdings(name)  # type: ignore[attr-defined]
            for one, same in zip(again, samples, strict=True):
                np.testing.assert_allclose(one.embedding, same.embedding, atol=1e-6)
                assert (one.key, one.weight, one.crop) == (same.key, same.weight, same.crop)


def test_a_wrong_file_is_refused_before_anything_is_enrolled(
    facenet, gallery, tmp_path: Path
) -> None:
    path = tmp_path / "gallery.jsonl"
    assert facenet("store", "export", path, *gallery).code == 0
    lines = path.read_text().splitlines()
    foreign = json.loads(lines[1]) | {"space": "another", "identity": "new"}
    mistakes = {
        "row 2: is of embedding space 'another'": json.dumps(foreign),
        "row 2: not valid JSON": "{",
        "row 2: embedding": '{"space": "x", "identity": "new"}',
    }
    for reason, line in mistakes.items():
        path.write_text("\n".join([lines[0].replace("id-000", "new"), line]))
        ran = facenet("store", "import", path, *gallery)
        assert ran.code == 2
        assert reason in ran.err
    assert "must end in .jsonl or .parquet" in facenet("store", "export", "x.csv", *gallery).err
    assert "no such file" in facenet("store", "import", tmp_path / "no.jsonl", *gallery).err
    assert len(facenet("store", "list", *gallery, "--json").json()) == 2


def test_a_store_that_cannot_says_so(facenet, inference_yaml: Path, tmp_path: Path) -> None:
    memory = ("--config", inference_yaml, "--set", "store=memory")
    for command, reason in {
        ("log",): "keeps no log",
        ("undo",): "keeps no log",
        ("purge",): "has nothing to purge",
    }.items():
        ran = facenet("store", *command, *memory)
        assert ran.code == 2
        assert reason in ran.err
