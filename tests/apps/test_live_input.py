"""What `facenet live` says of sources, results and options that are wrong."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av", reason="needs facenet-kit[live]")
pytest.importorskip("trackers", reason="needs facenet-kit[live]")

from .clips import frames_of, write_clip

CHOICES = "--camera takes the number of a camera, a video file, or the address of a stream"


@pytest.fixture(scope="module")
def config(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("live") / "inference.yaml"
    path.write_text(f"checkpoint_path: {trained / 'bundle'}\ndevice: cpu\nstore: memory\n")
    return path


@pytest.fixture
def refused(facenet: Any, config: Path) -> Any:
    """Run `facenet live` on what is wrong; the sentence that it says, and nothing else."""

    def run(*arguments: object, code: int = 2) -> str:
        ran = facenet("live", "--config", config, "--headless", *arguments)
        assert ran.code == code, ran.err
        said = [line for line in ran.err.splitlines() if line.startswith("facenet: ")]
        assert len(said) == 1, ran.err
        assert "Traceback" not in ran.err
        return said[0].removeprefix("facenet: ")

    return run


def test_a_camera_that_is_not_there(refused, capfd) -> None:
    assert refused("--camera", 99) == (
        f"camera 99: there is none, or another program has it; {CHOICES}"
    )


def test_a_file_that_is_not_there(refused) -> None:
    said = refused("--camera", "film.mp4")
    assert said == f"film.mp4: cannot be read: no such file or directory; {CHOICES}"


@pytest.mark.parametrize("name", ["notes.txt", "notes.mp4"])
def test_a_text_is_not_a_video(refused, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("This is not a film.\n" * 50)
    assert refused("--camera", tmp_path / name) == f"{tmp_path / name}: is not a video; {CHOICES}"


def test_a_folder_is_not_a_video(refused, tmp_path: Path) -> None:
    assert refused("--camera", tmp_path).startswith(f"{tmp_path}: cannot be read: is a directory")


def test_an_address_where_nobody_listens(refused) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"rtsp://ann:s3cret@127.0.0.1:{taken.getsockname()[1]}/hall"
        said = refused("--camera", address)
    shown = address.replace("ann:s3cret@", "")
    assert said == f"{shown}: cannot be reached: connection refused; {CHOICES}"


def test_an_address_that_does_not_answer(refused, monkeypatch: pytest.MonkeyPatch) -> None:
    from facenet_live import captures

    monkeypatch.setattr(captures, "OPENING", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = refused("--camera", f"http://127.0.0.1:{silent.getsockname()[1]}/hall")
    assert ": sends nothing; " in said


class Unplugged:
    """A camera of OpenCV that gives three pictures and is gone."""

    def __init__(self, _number: int) -> None:
        self._pictures = iter([np.zeros((48, 64, 3), np.uint8)] * 3)

    def isOpened(self) -> bool:
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        picture = next(self._pictures, None)
        return picture is not None, picture

    def release(self) -> None:
        pass


def test_a_camera_that_vanishes(refused, monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    monkeypatch.setattr(cv2, "VideoCapture", Unplugged)
    said = refused("--camera", 0, "--reconnect", 0, code=1)
    assert said.startswith("camera 0: gives no picture any more; is it connected?")


@pytest.fixture
def clip(tmp_path: Path) -> Iterator[Path]:
    return write_clip(tmp_path / "clip.mp4", frames_of([], 3, (64, 48)))


def test_results_where_none_can_be_written(refused, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    for flag in ("--output", "--events"):
        said = refused("--camera", clip, flag, tmp_path / "folder.mp4")
        assert said == f"{tmp_path / 'folder.mp4'}: is a folder; name a file to write"


def test_the_video_itself_is_not_overwritten(refused, clip: Path) -> None:
    before = clip.read_bytes()
    for flag in ("--output", "--events"):
        assert "is the --camera or the --output" in refused("--camera", clip, flag, clip)
    assert clip.read_bytes() == before


def test_video_and_log_are_two_files(refused, clip: Path, tmp_path: Path) -> None:
    both = tmp_path / "both.mp4"
    assert "name another file" in refused("--camera", clip, "--output", both, "--events", both)


@pytest.mark.parametrize(
    "flag, value, message",
    [
        ("--output", "out.avi", "output: out.avi: name a file that ends in .mp4"),
        ("--detect-every", 0, "detect_every: must be at least 1"),
        ("--min-similarity", 2, "min_similarity: must be at most 1"),
        ("--top-k", "few", "top_k: must be"),
        ("--reconnect", -1, "reconnect: must be at least 0"),
        ("--camera", "", "camera: "),
    ],
)
def test_options_that_are_wrong_are_named(refused, flag: str, value: object, message: str) -> None:
    assert message in refused(flag, value)


def test_the_number_of_a_camera_may_be_bare_in_yaml(facenet, config: Path, tmp_path: Path) -> None:
    bare = tmp_path / "inference.yaml"
    bare.write_text(config.read_text() + "frontends: {live: {camera: 98, headless: true}}\n")
    assert "camera 98: there is none" in facenet("live", "--config", bare).err


def test_a_video_without_pictures_that_can_be_decoded(refused, clip: Path, tmp_path: Path) -> None:
    content = bytearray(clip.read_bytes())
    start = content.index(b"mdat") + 4
    size = int.from_bytes(content[start - 8 : start - 4], "big") - 8
    content[start : start + size] = bytes(size)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(content)
    said = refused("--camera", damaged)
    assert said == f"{damaged}: holds no picture that can be decoded"
