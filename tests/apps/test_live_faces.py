"""`facenet live` with photos of people, a real detector and network, where they are at hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="needs facenet-kit[live]")
pytest.importorskip("trackers", reason="needs facenet-kit[live]")

from facenet.config import InferenceConfig, parse_config
from facenet.recognition import Recognizer
from facenet_live import Options
from facenet_live.view import LiveView

from .clips import Walk, by_event, frames_of, read_clip, write_clip

SIZE, SIDE = (480, 360), 116
ROWS, LAPS, FRAMES_OF_LAP = 3, 8, 30
ENROLLED, PHOTOS = 18, 3
"""How many of the people of the clip are known, by so many photos each; another is in the clip."""

Watched = tuple[list[Walk], list[dict[str, Any]], list[np.ndarray]]


def portrait(path: Path) -> np.ndarray:
    """The middle of a photo of LFW, where its face is."""
    box = (40, 40, 210, 210)
    return np.asarray(Image.open(path).convert("RGB").crop(box).resize((SIDE, SIDE)))


def walks(people: list[list[Path]]) -> Iterator[Walk]:
    """Three at a time cross the room, those in the middle from the right."""
    near, far = 4, SIZE[0] - SIDE - 4
    for number, photos in enumerate(people):
        lap, row = divmod(number, ROWS)
        y = 4 + row * (SIDE + 2)
        start, end = ((far, y), (near, y)) if row == 1 else ((near, y), (far, y))
        name = photos[0].parent.name if number < ENROLLED else "unknown"
        first = lap * FRAMES_OF_LAP
        yield Walk(name, portrait(photos[PHOTOS]), start, end, first, first + FRAMES_OF_LAP)


@pytest.fixture(scope="module")
def watched(
    lfw: Path,
    aligned_bundle: Path,
    real_models: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Watched:
    """Who crosses the room and when, and the log and the frames of the video of it."""
    folder = tmp_path_factory.mktemp("live")
    folders = [sorted(each.glob("*.jpg")) for each in sorted(lfw.iterdir())]
    people = [photos for photos in folders if len(photos) > PHOTOS][: ROWS * LAPS]
    ways = list(walks(people))
    clip = write_clip(folder / "clip.mp4", frames_of(ways, LAPS * FRAMES_OF_LAP, SIZE))
    recognizer = Recognizer.from_config(
        parse_config(
            {
                "checkpoint_path": str(aligned_bundle),
                "device": "cpu",
                "threshold": 0.35,
                "detector": {
                    "plugin": "yunet",
                    "weights": str(real_models / "face_detection_yunet_2023mar.onnx"),
                },
                "store": "memory",
                "quality": "off",
            },
            InferenceConfig,
        )
    )
    for photos in people[:ENROLLED]:
        recognizer.enrol(photos[0].parent.name, photos[:PHOTOS])
    events, output = folder / "events.jsonl", folder / "out.mp4"
    options = Options(camera=str(clip), headless=True, events=events, output=output)
    assert LiveView(options, recognizer).run() == 0
    log = [json.loads(line) for line in events.read_text().splitlines()]
    return ways, log, read_clip(output)[0]


def walk_of(watched: Watched, entry: dict[str, Any]) -> Walk:
    """On whose way a box lies."""
    [walk] = [
        w for w in watched[0] if w.first <= entry["frame"] and w.is_at(entry["box"], entry["frame"])
    ]
    return walk


def test_nineteen_of_twenty_tracks_get_the_right_name(watched: Watched) -> None:
    log = watched[1]
    tracks = {entry["track"]: walk_of(watched, entry).name for entry in by_event(log, "appeared")}
    names = {entry["track"]: entry["name"] for entry in by_event(log, "left")}
    right = [track for track, name in tracks.items() if names[track] == name]
    assert len(tracks) >= ROWS * LAPS
    assert len(right) >= 0.95 * len(tracks), {t: (n, names[t]) for t, n in tracks.items()}


def test_names_do_not_change(watched: Watched) -> None:
    """No one crosses another's way, and whoever has a name keeps it."""
    assert by_event(watched[1], "renamed") == []
