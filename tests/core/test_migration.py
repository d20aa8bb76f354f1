"""A gallery goes from one model to another, and back: `facenet store migrate`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facenet import Recognizer
from facenet.curated_stores import HeldSample
from facenet.errors import StoreError
from facenet.models import load_bundle, resized, save_bundle

from .opening import Gallery, opened

Facenet = Callable[..., Any]
WAIT = 120


@pytest.fixture(scope="module")
def other(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of another embedding space: the same weights at another image size."""
    model = resized(load_bundle(trained / "bundle"), 48)
    return save_bundle(model, tmp_path_factory.mktemp("other") / "bundle")


def contents(recognizer: Recognizer) -> dict[str, list[HeldSample]]:
    store: Any = recognizer.store
    return {each.identity: store.holdings(each.identity) for each in store.identities()}


def bare(held: dict[str, list[HeldSample]]) -> dict[str, list[tuple[Any, ...]]]:
    """All but the vectors."""
    return {
        name: [(one.number, one.weight, one.key, one.at, one.crop) for one in samples]
        for name, samples in held.items()
    }


def migrate(facenet: Facenet, gallery: Gallery, to: Path, *options: object) -> Any:
    return facenet("store", "migrate", "--to", to, *gallery, *options)


def test_there_and_back_again(
    facenet, gallery, trained: Path, other: Path, faces: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(gallery) as recognizer:
        before, record = contents(recognizer), recognizer.store.get("id-000")
    auto = ("--set", "device=auto", "--set", "threshold=0.9")
    ran = migrate(facenet, gallery, other, "--crops", "--json", *auto)
    assert ran.code == 0, ran.err
    assert [each.message[:7] for each in caplog.records].count("device:") == 1
    assert "threshold 0.9 of the configuration is the former model's" in ran.err
    assert f"{other} is not calibrated, so that searches name nobody" in ran.err
    report = ran.json()
    assert (report["samples"], report["done"], report["switched"]) == (6, 6, True)
    assert report["change"]["probes"] == 6

    refused = facenet("search", next((faces / "id-000").iterdir()), *gallery)
    assert refused.code == 2
    assert "is bound to embedding space" in refused.err
    moved = (*gallery, "--set", f"checkpoint_path={other}")
    with opened(gallery, other) as recognizer:
        now = contents(recognizer)
        assert bare(now) == bare(before)
        assert recognizer.store.get("id-000").metadata == record.metadata
        expected = recognizer.model.embed(recognizer_crops(recognizer, before["id-000"]))
        found = np.stack([one.embedding for one in now["id-000"]])
        np.testing.assert_allclose(found, expected, atol=1e-5)
        recognizer.enrol("id-002", [sorted((faces / "id-002").iterdir())[0]])
        recognizer.forget("id-001")
    assert facenet("store", "audit", *moved).code == 0

    ran = migrate(facenet, moved, trained / "bundle", "--crops", "--json")
    assert ran.code == 0, ran.err
    with opened(gallery) as recognizer:
        again = contents(recognizer)
        assert set(again) == {"id-000", "id-002"}
        assert len({one.number for samples in again.values() for one in samples}) == 4
        for one, same in zip(again["id-000"], before["id-000"], strict=True):
            np.testing.assert_array_equal(one.embedding, same.embedding)
        np.testing.assert_allclose(
            recognizer.store.get("id-000").centroid, record.centroid, atol=1e-6
        )
    assert facenet("store", "audit", *gallery).code == 0
    actions = [entry["action"] for entry in facenet("store", "log", *gallery, "--json").json()]
    assert actions == ["migrate", "forget", "enrol", "migrate", "enrol", "enrol"]


def recognizer_crops(recognizer: Recognizer, samples: list[HeldSample]) -> Any:
    """Kept crops of another size, as the model takes them."""
    size = recognizer.model.card.preprocessing.image_size
    assert all(one.crop for one in samples)
    from io import BytesIO

    from PIL import Image

    pictures = [Image.open(BytesIO(one.crop or b"")) for one in samples]
    return np.stack(
        [
            np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))
            for picture in pictures
        ]
    )


def test_changed_decisions_name_samples_as_other_commands_do(
    facenet, gallery, trained: Path, other: Path, tmp_path: Path
) -> None:
    model = load_bundle(other)
    calibration = load_bundle(trained / "bundle").card.calibration
    assert calibration is not None
    model.card = model.card.model_copy(update={"calibration": calibration})
    bundle = save_bundle(model, tmp_path / "calibrated")
    options = ("--crops", "--no-switch", "--set", "threshold=-1")
    report = migrate(facenet, gallery, bundle, *options, "--json").json()
    flips = report["change"]["flips"]
    assert flips
    with opened(gallery) as recognizer:
        for flip in flips:
            assert flip["sample"] in [one.number for one in contents(recognizer)[flip["identity"]]]
    assert f"sample {flips[0]['sample']}: " in migrate(facenet, gallery, bundle, *options).out


def test_from_the_photos_while_the_gallery_changes(
    facenet, gallery, other: Path, faces: Path, tmp_path: Path
) -> None:
    ran = migrate(facenet, gallery, other, "--images", faces, "--no-switch", "--json")
    assert ran.code == 0, ran.err
    assert (ran.json()["done"], ran.json()["switched"]) == (6, False)
    with opened(gallery) as recognizer:
        store: Any = recognizer.store
        first, second, third = (one.number for one in store.holdings("id-000"))
        store.transfer("id-000", "id-001", samples=[first])
        store.erase("id-000", [second])
        store.rename("id-000", "Zoë")
        store.rename("id-001", "id-000")
        recognizer.enrol("new", [sorted((faces / "id-003").iterdir())[0]])
        before = contents(recognizer)
        assert [one.number for one in before["Zoë"]] == [third]
        ran = migrate(facenet, gallery, other, "--images", faces, "--json")
        assert ran.code == 0, ran.err
        # Who has it open still may look, but must not write where nobody will look again.
        assert store.count() == 3
        with pytest.raises(StoreError, match="moved to another embedding space"):
            recognizer.enrol("late", [sorted((faces / "id-004").iterdir())[0]])
        assert store.forget("new").samples == 1
    del before["new"]
    moved = (*gallery, "--set", f"checkpoint_path={other}")
    with opened(gallery, other) as recognizer:
        assert bare(contents(recognizer)) == bare(before)
    assert facenet("store", "audit", *moved).code == 0
    dump = tmp_path / "moved.dump"
    assert facenet("store", "dump", dump, *moved).code == 0
    assert facenet("store", "restore", dump, "--replace", *gallery).code == 2
    assert facenet("store", "restore", dump, "--replace", *moved).code == 0
    with opened(gallery, other) as recognizer:
        assert bare(contents(recognizer)) == bare(before)


def test_who_comes_late_loses_nothing(facenet, gallery, other: Path, faces: Path) -> None:
    model = load_bundle(other)
    photo = next((faces / "id-002").iterdir())
    with opened(gallery) as former, opened(gallery) as late:
        assert former.store.count() == 2
        store: Any = late.store
        successor = store.successor(model.embedding_dim, model.card.space)
        assert migrate(facenet, gallery, other, "--crops").code == 0
        with opened(gallery, other) as moved:
            moved.enrol("new", [photo])
            with pytest.raises(StoreError, match="has just moved to another embedding space"):
                successor.switch()
            back: Any = moved.store
            card = former.model.card
            returning = back.successor(former.model.embedding_dim, card.space)
            with pytest.raises(StoreError, match="moved to another embedding space"):
                former.enrol("new", [photo])
            assert returning.counts() == (6, 7)
            assert [each.identity for each in returning.missing()] == ["new"]
            assert moved.store.count() == 3


def test_samples_without_a_picture_are_not_left_behind_unasked(
    facenet, gallery, other: Path, faces: Path, tmp_path: Path
) -> None:
    (tmp_path / "photos" / "id-000").mkdir(parents=True)
    for photo in sorted((faces / "id-000").iterdir()):
        (tmp_path / "photos" / "id-000" / photo.name).write_bytes(photo.read_bytes())
    ran = migrate(facenet, gallery, other, "--images", tmp_path / "photos")
    assert ran.code == 1
    assert "3 of 6 samples are in the new space" in ran.out
    assert "the gallery is in its former space still" in ran.out
    assert "1 identity of whom samples are without a picture" in ran.err
    assert "\n  id-001: all of 3 samples\n" in ran.err
    assert facenet("store", "audit", *gallery).code == 0
    third = facenet("store", "migrate", "--abandon", *gallery)
    assert (third.code, third.out) == (0, "the unfinished migration is given up\n")
    assert "one collection only" in facenet("store", "migrate", "--abandon", *gallery).out
    ran = migrate(facenet, gallery, other, "--images", tmp_path / "photos", "--without-missing")
    assert ran.code == 0, ran.err
    assert "3 samples stayed behind" in ran.out
    assert f"the gallery is in the space of {other} now" in ran.out
    assert "1 identity of whom samples are left behind" in ran.err
    moved = (*gallery, "--set", f"checkpoint_path={other}")
    assert "no way back" in facenet("store", "migrate", "--abandon", *moved).out
    with opened(gallery, other) as recognizer:
        assert {name: len(held) for name, held in contents(recognizer).items()} == {"id-000": 3}


def test_a_damaged_crop_is_named(facenet, gallery, other: Path) -> None:
    with opened(gallery) as recognizer:
        store: Any = recognizer.store
        [vector] = store.samples("id-000").embeddings[:1]
        store.enrol("torn", vector, crops=[b"\x89PNG\r\n\x1a\n torn"])
        [held] = store.holdings("torn")
    ran = migrate(facenet, gallery, other, "--crops")
    assert ran.code == 2
    assert f"torn: sample {held.number}: " in ran.err
    assert "Traceback" not in ran.err


def test_a_mistake_is_said_and_changes_nothing(
    facenet, gallery, trained: Path, other: Path, tmp_path: Path, inference_yaml: Path
) -> None:
    mistakes = {
        "is in the embedding space of this model already": (trained / "bundle", "--crops"),
        "either --images or --crops": (other,),
        "no such": (tmp_path / "nowhere", "--crops"),
    }
    for reason, options in mistakes.items():
        ran = migrate(facenet, gallery, *options)
        assert ran.code != 0
        assert reason in ran.err
        assert "embedding" not in ran.err.replace(reason, "")
    memory = ("--config", inference_yaml, "--set", "store=memory")
    assert "cannot bring its gallery" in migrate(facenet, memory, other, "--crops").err
    assert migrate(facenet, gallery, other, "--crops", "--no-switch").code == 0
    third = save_bundle(resized(load_bundle(trained / "bundle"), 40), tmp_path / "third")
    ran = migrate(facenet, gallery, third, "--crops")
    assert "is under way: finish it with that model" in ran.err
    assert facenet("store", "audit", *gallery).code == 0


def test_orl_goes_to_another_model_and_back_although_it_is_killed(
    facenet, orl: Path, gallery, trained: Path, other: Path
) -> None:
    ran = facenet("populate", "--data", orl, *gallery)
    assert ran.code == 0, ran.err
    with opened(gallery) as recognizer:
        before = contents(recognizer)
    assert sum(map(len, before.values())) > 390
    command = [sys.executable, "-m", "facenet", "store", "migrate", "--crops", "--json"]
    moved = (*gallery, "--set", f"checkpoint_path={other}")
    for source, to in ((gallery, other), (moved, trained / "bundle")):
        options = [str(each) for each in (*source, "--to", to)]
        if to == other:
            kill_in_the_middle([*command, *options], gallery, other)
        ran = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout)["switched"]
    with opened(gallery) as recognizer:
        after = contents(recognizer)
    assert bare(after) == bare(before)
    for name, samples in before.items():
        for one, same in zip(samples, after[name], strict=True):
            np.testing.assert_array_equal(one.embedding, same.embedding)
    assert facenet("store", "audit", *gallery).code == 0


def kill_in_the_middle(command: list[str], gallery: Gallery, other: Path) -> None:
    """SIGKILL when some samples are in the new space, and not all."""
    model = load_bundle(other)
    with opened(gallery) as recognizer:
        store: Any = recognizer.store
        total = store.stats().samples
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + WAIT
        successor = store.successor(model.embedding_dim, model.card.space)
        while successor.counts()[0] == 0 and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert 0 < successor.counts()[0] < total
