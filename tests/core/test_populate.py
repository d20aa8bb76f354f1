"""Filling a gallery: nothing twice, nothing halfway, and every failure said."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facenet.config import InferenceConfig, parse_config
from facenet.plugins import Registry
from facenet.recognition import Recognizer, populate
from facenet.recognition.pipeline import Pipeline
from facenet.stores import BulkStore, Store
from facenet.types import Face


class Counting:
    """A model that counts the faces it embeds."""

    def __init__(self, model: Any) -> None:
        self._model, self.embedded = model, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def embed(self, crops: Any, **options: Any) -> Any:
        self.embedded += len(crops)
        return self._model.embed(crops, **options)


class Middle:
    """A detector that finds one face, in the middle of each photo."""

    def __call__(self, images: Sequence[np.ndarray]) -> list[list[Face]]:
        return [
            [Face((width / 4, height / 4, width * 3 / 4, height * 3 / 4), 0.9)]
            for height, width, _ in (image.shape for image in images)
        ]


class OneByOne:
    """A store that takes samples of one identity at a time only."""

    def __init__(self, store: Store) -> None:
        for name in ("enrol", "search", "get", "samples", "identities", "forget", "count", "stats"):
            setattr(self, name, getattr(store, name))
        self.close = store.close

    def __enter__(self) -> OneByOne:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture
def recognizer(trained: Path) -> Recognizer:
    values = {
        "checkpoint_path": str(trained / "bundle"),
        "device": "cpu",
        "store": "memory",
        "quality": "off",
        "batch_size": 8,
    }
    first = Recognizer.from_config(parse_config(values, InferenceConfig))
    return like(first, store=first.store)


def like(recognizer: Recognizer, *, store: Store, detector: Any = None) -> Recognizer:
    """A recognizer over a store, whose model counts."""
    whole = Registry().load("detector", "whole_image").make_from({}, device="cpu")
    return Recognizer(
        Counting(recognizer.model),  # type: ignore[arg-type]
        detector or whole,
        lambda: store,
        config=recognizer.config,
        registry=recognizer.registry,
    )


@pytest.fixture
def people(faces: Path, tmp_path: Path) -> Path:
    """Two people with six photos each."""
    root = tmp_path / "people"
    for identity in ("id-000", "id-001"):
        (root / identity).mkdir(parents=True)
        for photo in (faces / identity).iterdir():
            (root / identity / photo.name).write_bytes(photo.read_bytes())
    return root


def test_a_second_run_embeds_and_adds_nothing(recognizer: Recognizer, people: Path) -> None:
    populate(recognizer, people)
    again = like(recognizer, store=recognizer.store)
    report = populate(again, people)
    assert (report.added, report.held, report.left) == (0, 12, 0)
    assert again.model.embedded == 0


def test_only_what_is_new_is_embedded(recognizer: Recognizer, people: Path, faces: Path) -> None:
    populate(recognizer, people)
    (people / "id-001" / "new.jpg").write_bytes((faces / "id-003" / "000.jpg").read_bytes())
    (people / "id-001" / "copy.jpg").write_bytes((people / "id-001" / "000.jpg").read_bytes())
    again = like(recognizer, store=recognizer.store)
    report = populate(again, people)
    assert (report.images, report.added, report.held) == (14, 1, 13)
    assert again.model.embedded == 1
    assert recognizer.store.get("id-001").samples == 7


def test_another_detector_finds_other_faces(recognizer: Recognizer, people: Path) -> None:
    """What it makes of the photos is added: old samples do not stand for them."""
    populate(recognizer, people)
    report = populate(like(recognizer, store=recognizer.store, detector=Middle()), people)
    assert (report.added, report.held) == (12, 0)


def test_a_forgotten_person_comes_back_whole(recognizer: Recognizer, people: Path) -> None:
    populate(recognizer, people)
    recognizer.forget("id-000")
    assert populate(recognizer, people).added == 6


def test_a_stopped_run_is_finished_by_the_next(recognizer: Recognizer, people: Path) -> None:
    report = populate(recognizer, people, stop=lambda: True)
    assert (report.images, report.added, report.left) == (8, 8, 4)
    assert recognizer.store.stats().samples == 8
    report = populate(recognizer, people)
    assert (report.images, report.added, report.held, report.left) == (12, 4, 8, 0)


def test_a_store_for_one_at_a_time_is_filled_as_well(recognizer: Recognizer, people: Path) -> None:
    store = OneByOne(recognizer.store)
    assert not isinstance(store, BulkStore)
    slow = like(recognizer, store=store)
    report = populate(slow, people)
    assert (report.identities, report.added, report.held) == (2, 12, 0)
    report = populate(slow, people)
    assert (report.added, report.held) == (0, 12)


def test_people_of_one_batch_are_told_to_extensions(
    recognizer: Recognizer, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(recognizer.registry, "notify", lambda hook, **said: told.append(said))
    populate(recognizer, people)
    assert told == [
        {"identity": "id-000", "added": 6},
        {"identity": "id-001", "added": 2},
        {"identity": "id-001", "added": 4},
    ]


# On the command line


def test_failures_are_listed_in_a_file(
    facenet, inference_yaml: Path, people: Path, tmp_path: Path
) -> None:
    bad, tiny = people / "id-000" / "bad.jpg", people / "id-001" / "tiny.png"
    bad.write_text("no image")
    Image.new("RGB", (20, 20)).save(tiny)
    output = tmp_path / "new" / "failures.jsonl"
    run = ("populate", "--config", inference_yaml, "--data", people, "--set", "store=memory")
    ran = facenet(*run, "--set", "quality=standard", "--failures", output)
    assert ran.code == 0
    listed = {entry["path"]: entry for entry in map(json.loads, output.read_text().splitlines())}
    assert listed[str(bad)]["codes"] == ["unreadable"]
    assert str(bad) not in listed[str(bad)]["reason"]
    assert listed[str(tiny)]["codes"][:2] == ["small_face", "blurred"]
    assert "20 pixels wide or high" in listed[str(tiny)]["reason"]


def test_a_photo_without_a_face_is_told_from_a_broken_one(
    recognizer: Recognizer, people: Path
) -> None:
    blind = like(recognizer, store=recognizer.store, detector=lambda images: [[] for _ in images])
    assert {failure.codes for failure in populate(blind, people).failures} == {("no_face",)}


def test_a_list_of_no_failures_is_empty(
    facenet, inference_yaml: Path, people: Path, tmp_path: Path
) -> None:
    output = tmp_path / "failures.jsonl"
    output.write_text("of another run")
    run = ("populate", "--config", inference_yaml, "--data", people, "--set", "store=memory")
    assert facenet(*run, "--failures", output).code == 0
    assert output.read_bytes() == b""


def test_a_wrong_place_for_failures_is_refused_before_the_work(facenet, tmp_path: Path) -> None:
    ran = facenet("populate", "--config", "x", "--data", tmp_path, "--failures", tmp_path)
    assert ran.code == 2
    assert f"{tmp_path}: is a folder; name a file to write" in ran.err


def test_no_progress_is_drawn_of_what_never_began(facenet, inference_yaml, tmp_path) -> None:
    run = ("populate", "--config", inference_yaml, "--set", "store=memory", "--data")
    ran = facenet(*run, tmp_path / "nowhere")
    assert ran.code == 2
    assert ran.err.splitlines()[-1] == f"facenet: {tmp_path / 'nowhere'}: no such folder"
    assert "enrolling" not in ran.err


def test_ctrl_c_ends_after_a_batch_and_the_same_command_goes_on(
    facenet, inference_yaml: Path, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ("populate", "--config", inference_yaml, "--data", people, "--set", "batch_size=8")
    embed = Pipeline.embed

    def interrupted(self: Any, crops: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return embed(self, crops, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, "embed", interrupted)
        ran = facenet(*run)
    assert ran.code == 130
    assert "8 of 8 images added" in ran.out
    assert "8 images are in the gallery, 4 were not looked at; the same command goes on" in ran.err
    again = facenet(*run)
    assert again.code == 0
    assert "4 of 12 images added for 2 identities, 8 were held already" in again.out
