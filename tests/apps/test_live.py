"""`facenet live` on video files, with people who are told apart by a colour."""

from __future__ import annotations

import itertools
import json
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="needs facenet-kit[live]")
pytest.importorskip("trackers", reason="needs facenet-kit[live]")

from facenet.errors import FacenetError, RequestError, StoreError
from facenet.recognition import Recognizer
from facenet_live import Options
from facenet_live.view import LiveView

from .clips import (
    RATE,
    Walk,
    by_event,
    colour_recognizer,
    enrol,
    frames_of,
    read_clip,
    square,
    write_clip,
)

SIZE = 320, 240
FRAMES = 75
WALKS = (
    Walk("Red", square("Red"), (10, 10), (240, 20), last=FRAMES),
    Walk("Violet", square("Violet"), (240, 90), (10, 80), last=FRAMES),
    Walk("Green", square("Green"), (10, 165), (200, 165), first=20, last=60),
)
KNOWN = ("Red", "Green")

Log = list[dict[str, Any]]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people cross a room, each on a way of their own."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return write_clip(path, frames_of(WALKS, FRAMES, SIZE))


@pytest.fixture
def recognizer(trained: Path) -> Recognizer:
    return colour_recognizer(trained / "bundle", KNOWN)


@pytest.fixture
def watch(recognizer: Recognizer, clip: Path, tmp_path: Path) -> Callable[..., Log]:
    """Watch the clip without a window, and read the log of it."""

    def run(**options: Any) -> Log:
        events = tmp_path / "events.jsonl"
        given = {"camera": str(clip), "headless": True, "events": events, **options}
        assert LiveView(Options(**given), recognizer).run() == 0
        return [json.loads(line) for line in events.read_text().splitlines()]

    return run


def walk_of(entry: dict[str, Any], walks: Sequence[Walk] = WALKS) -> Walk:
    """Whose walk a box lies on."""
    [walk] = [walk for walk in walks if walk.is_at(entry["box"], entry["frame"])]
    return walk


def test_everyone_is_called_by_their_name_from_beginning_to_end(watch) -> None:
    log = watch()
    assert len(by_event(log, "appeared")) == len(by_event(log, "left")) == 3
    assert not by_event(log, "renamed")
    for entry in by_event(log, "identified"):
        name = walk_of(entry).name
        assert entry["identity"] == (name if name in KNOWN else None)
    assert {entry["name"] for entry in by_event(log, "left")} == {"Red", "Green", "unknown"}


def test_events_come_in_order_and_say_when(watch) -> None:
    log = watch()
    assert [log[0]["event"], log[-1]["event"]] == ["started", "ended"]
    assert [entry["frame"] for entry in log] == sorted(entry["frame"] for entry in log)
    for entry in log:
        assert entry["seconds"] == pytest.approx(entry["frame"] / RATE, abs=0.002)
        assert entry["at"].endswith("+00:00")
    for track in {entry["track"] for entry in by_event(log, "appeared")}:
        of_track = [entry["event"] for entry in log if entry.get("track") == track]
        assert of_track == ["appeared", "identified", "left"]


def test_an_identification_says_why(watch) -> None:
    [found] = [e for e in by_event(watch(top_k=2), "identified") if e["name"] == "Red"]
    assert found["similarity"] > found["threshold"] == 0.9
    assert found["threshold_origin"] == "configured"
    assert [match["identity"] for match in found["candidates"]] == ["Red", "Green"]


def test_candidates_below_the_smallest_similarity_are_left_out(watch) -> None:
    [found] = [
        entry
        for entry in by_event(watch(min_similarity=0.5), "identified")
        if entry["identity"] == "Red"
    ]
    assert [match["identity"] for match in found["candidates"]] == ["Red"]


def test_the_log_holds_no_vectors(watch) -> None:
    assert all(
        not isinstance(value, list) or len(value) <= 4
        for entry in watch()
        for value in entry.values()
    )


def test_every_frame_is_in_the_video_at_its_time(watch, clip: Path, tmp_path: Path) -> None:
    watch(output=tmp_path / "out.mp4")
    _, times = read_clip(clip)
    frames, written = read_clip(tmp_path / "out.mp4")
    assert len(frames) == FRAMES
    assert written == pytest.approx(times, abs=0.001)


def is_blue(pixels: np.ndarray) -> np.ndarray:
    """The colour of the known; of a thin line, encoded, not much is left."""
    red, _, blue = np.moveaxis(pixels.astype(int), -1, 0)
    return blue - red > 50


@pytest.mark.parametrize("detect_every", [1, 2, 5])
def test_boxes_are_where_the_faces_are(watch, tmp_path: Path, detect_every: int) -> None:
    log = watch(output=tmp_path / "out.mp4", detect_every=detect_every)
    frames, _ = read_clip(tmp_path / "out.mp4")
    [found] = [entry for entry in by_event(log, "identified") if entry["name"] == "Red"]
    for number in range(found["frame"] + 1, FRAMES):
        x, y = WALKS[0].corner(number)
        for edge in (x, x + 64):
            middle = frames[number][y + 20 : y + 44, edge - 5 : edge + 5]
            assert is_blue(middle).any(axis=1).all(), (number, edge)


def test_a_face_is_looked_up_a_few_times_and_not_in_every_frame(
    watch, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up, search = [], recognizer.search_crops

    def counted(crops: Any, **options: Any) -> Any:
        looked_up.extend(crops)
        return search(crops, **options)

    monkeypatch.setattr(recognizer, "search_crops", counted)
    watch(detect_every=1)
    assert 3 <= len(looked_up) <= 3 * 4


class Gate:
    """Lets no search through before the video has been seen to its end."""

    def __init__(self, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
        from facenet_live.watcher import Watcher

        self._opened = threading.Event()
        search, finish = recognizer.search_crops, Watcher.finish
        self.waited = False

        def held(*arguments: Any, **options: Any) -> Any:
            self.waited = self._opened.wait(60)
            return search(*arguments, **options)

        def open_gate(*arguments: Any) -> None:
            self._opened.set()
            finish(*arguments)

        monkeypatch.setattr(recognizer, "search_crops", held)
        monkeypatch.setattr(Watcher, "finish", open_gate)


def test_frames_do_not_wait_for_look_ups_but_the_end_of_a_file_does(
    watch, recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(recognizer, monkeypatch)
    log = watch(output=tmp_path / "out.mp4")
    assert gate.waited
    assert len(read_clip(tmp_path / "out.mp4")[0]) == FRAMES
    assert {entry["name"] for entry in by_event(log, "left")} >= {"Red", "unknown"}


def test_a_gallery_that_fails_for_a_while_is_asked_again(
    watch, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    from facenet_live import lookups

    monkeypatch.setattr(lookups, "REST", 0.01)
    search, failures = recognizer.store.search, iter(range(3))

    def failing(*arguments: Any, **options: Any) -> Any:
        if next(failures, None) is not None:
            raise StoreError("PostgreSQL at db:5432 gives no connection")
        return search(*arguments, **options)

    monkeypatch.setattr(recognizer.store, "search", failing)
    log = watch()
    [lost], [back] = by_event(log, "gallery_lost"), by_event(log, "gallery_back")
    assert lost["frame"] <= back["frame"]
    assert {entry["name"] for entry in by_event(log, "left")} == {"Red", "Green", "unknown"}
    assert capfd.readouterr().err.count("gives no connection") == 1


def test_other_faults_of_a_look_up_end_the_run(
    watch, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: Any, **_options: Any) -> Any:
        raise RequestError("the alignment is five-point, and the detector gives no landmarks")

    monkeypatch.setattr(recognizer, "search_crops", broken)
    with pytest.raises(RequestError, match="no landmarks"):
        watch()


def test_someone_who_enrols_meanwhile_is_recognised(
    watch, recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the slow look-ups after the vote, which is how a wrong name is mended too."""
    walk = Walk("Violet", square("Violet"), (10, 10), (240, 140), last=60)
    slow = write_clip(tmp_path / "slow.mp4", frames_of([walk], 60, SIZE), rate=5)
    search, calls = recognizer.search_crops, itertools.count()

    def enrolling(*arguments: Any, **options: Any) -> Any:
        if next(calls) == 3:
            enrol(recognizer, "Violet")
        return search(*arguments, **options)

    monkeypatch.setattr(recognizer, "search_crops", enrolling)
    [renamed] = by_event(watch(camera=str(slow)), "renamed")
    assert (renamed["before"], renamed["name"]) == ("unknown", "Violet")


@pytest.mark.parametrize("size", [(321, 241), (322, 243)])
def test_odd_sizes_are_recorded_even(watch, tmp_path: Path, size: tuple[int, int]) -> None:
    odd = write_clip(tmp_path / "odd.mp4", frames_of(WALKS, 10, size))
    watch(camera=str(odd), output=tmp_path / "out.mp4")
    frames, _ = read_clip(tmp_path / "out.mp4")
    assert len(frames) == 10
    assert frames[0].shape == (size[1] // 2 * 2, size[0] // 2 * 2, 3)


def test_a_video_that_was_filmed_upright_is_turned(watch, clip: Path, tmp_path: Path) -> None:
    """By the matrix in its track header, as telephones write it: a quarter to the right."""
    content = bytearray(clip.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    quarter = (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    content[matrix : matrix + 36] = struct.pack(">9i", *quarter)
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(content)
    log = watch(camera=str(turned), output=tmp_path / "out.mp4")
    [red] = [
        entry
        for entry in by_event(log, "appeared")
        if entry["frame"] < 10 and entry["box"][0] > 120
    ]
    frames, _ = read_clip(tmp_path / "out.mp4")
    assert frames[0].shape == (320, 240, 3)
    assert red["box"][1] < 60


def test_without_a_threshold_names_are_in_doubt(trained: Path, clip: Path, tmp_path, capfd) -> None:
    recognizer = colour_recognizer(trained / "bundle", KNOWN, threshold=None)
    recognizer.model.card = recognizer.model.card.model_copy(update={"calibration": None})
    events = tmp_path / "events.jsonl"
    LiveView(Options(camera=str(clip), headless=True, events=events), recognizer).run()
    log = [json.loads(line) for line in events.read_text().splitlines()]
    named = {entry["name"]: entry["identity"] for entry in by_event(log, "left")}
    assert named == {"Red?": None, "Green?": None}
    assert capfd.readouterr().err.count("no threshold is calibrated") == 1


def test_an_empty_gallery_is_said_once(trained: Path, clip: Path, capfd) -> None:
    recognizer = colour_recognizer(trained / "bundle", ())
    LiveView(Options(camera=str(clip), headless=True), recognizer).run()
    said = capfd.readouterr().err
    assert said.count("the gallery is empty") == 1
    assert "3 faces followed: unknown" in said


def test_a_detector_of_whole_images_is_pointed_out(facenet, trained: Path, clip: Path, tmp_path):
    config = tmp_path / "inference.yaml"
    config.write_text(
        f"checkpoint_path: {trained / 'bundle'}\ndevice: cpu\nstore: memory\n"
        f"frontends:\n  live: {{camera: {clip}, headless: true}}\n"
    )
    ran = facenet("live", "--config", config)
    assert ran.code == 0, ran.err
    assert "whole_image takes each frame for one face" in ran.err
    assert "such as yunet" in ran.err


def test_the_summary_is_one_line(watch, capfd) -> None:
    watch()
    lines = [line for line in capfd.readouterr().err.splitlines() if "followed" in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"{FRAMES} frames at ")
    assert lines[0].endswith("3 faces followed: Green, Red, unknown")


def test_a_second_run_adds_to_the_log(watch) -> None:
    once = len(watch())
    assert len(by_event(watch(), "started")) == 2
    assert once > 0


def test_a_full_disk_is_an_error_and_leaves_no_half_video(
    watch, recognizer: Recognizer, clip: Path, tmp_path: Path, full_disk
) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"what was there")
    options = Options(camera=str(clip), headless=True, output=output)
    with full_disk(2000), pytest.raises(FacenetError, match=r"out\.mp4: cannot be written: "):
        LiveView(options, recognizer).run()
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert output.read_bytes() == b"what was there"


def test_the_log_may_not_be_written_to_a_full_disk(recognizer, clip, tmp_path, full_disk) -> None:
    options = Options(camera=str(clip), headless=True, events=tmp_path / "events.jsonl")
    with full_disk(200), pytest.raises(FacenetError, match=r"events\.jsonl: cannot be written: "):
        LiveView(options, recognizer).run()


def test_sigterm_finishes_the_video_and_the_log(trained: Path, faces: Path, tmp_path: Path) -> None:
    picture = np.array(Image.open(faces / "id-000" / "000.jpg"))
    long = write_clip(tmp_path / "long.mp4", itertools.repeat(picture, 3000))
    config, events, output = (tmp_path / name for name in ("i.yaml", "events.jsonl", "out.mp4"))
    config.write_text(f"checkpoint_path: {trained / 'bundle'}\ndevice: cpu\nstore: memory\n")
    arguments = ("--config", config, "--camera", long, "--output", output, "--events", events)
    process = subprocess.Popen(
        [sys.executable, "-m", "facenet", "live", "--headless", *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (events.exists() and "appeared" in events.read_text()):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    last = json.loads(events.read_text().splitlines()[-1])
    assert last["event"] == "ended"
    assert 1 < len(read_clip(output)[0]) == last["frames"] < 3000
