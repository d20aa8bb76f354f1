"""The window of `facenet live`, on a screen that exists in memory alone."""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageGrab

pytest.importorskip("av", reason="needs facenet-kit[live]")
pytest.importorskip("trackers", reason="needs facenet-kit[live]")

from .clips import write_clip

TITLE, PATIENCE = "facenet live", 60
WINDOW_ALONE = f"""
import numpy as np
from facenet_live.screen import Screen
with Screen({TITLE!r}) as screen:
    while not screen.closed:
        screen.show(np.zeros((120, 160, 3), np.uint8), "caption")
"""


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """The name of an X display; skips, visibly, where none can be had."""
    for program in ("Xvfb", "xdotool"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-noreset", "-screen", "0", "800x600x24"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with open(read) as number:
        yield f":{number.readline().strip()}"
    server.terminate()
    server.wait()


@pytest.fixture
def config(trained: Path, tmp_path: Path) -> Path:
    path = tmp_path / "inference.yaml"
    path.write_text(f"checkpoint_path: {trained / 'bundle'}\ndevice: cpu\nstore: memory\n")
    return path


class ClientMessage(ctypes.Structure):
    """XClientMessageEvent of Xlib, with room to be any XEvent."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("room", ctypes.c_long * 24),
    )


class Window:
    """A program that opens a window on a screen, until the context is left."""

    def __init__(self, screen: str, *program: str) -> None:
        self._environment = {**os.environ, "DISPLAY": screen}
        self._process = subprocess.Popen(
            [sys.executable, *program], env=self._environment, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def press(self, key: str) -> None:
        self._xdotool("key", "--window", self.number(), key)

    def close(self) -> None:
        """As the button in its frame does: by a message of the window manager, of which there is
        none here."""
        number, x = ctypes.c_ulong(int(self.number())), ctypes.CDLL("libX11.so.6")
        x.XOpenDisplay.restype, x.XInternAtom.restype = ctypes.c_void_p, ctypes.c_ulong
        display = ctypes.c_void_p(x.XOpenDisplay(self._environment["DISPLAY"].encode()))
        kind, delete = (
            x.XInternAtom(display, name, False) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW")
        )
        message = ClientMessage(33, 0, True, display, number, kind, 32, (delete,))
        x.XSendEvent(display, number, False, 0, ctypes.byref(message))
        x.XCloseDisplay(display)

    def number(self) -> str:
        deadline = time.monotonic() + PATIENCE
        while not (found := self._xdotool("search", "--onlyvisible", "--name", TITLE)):
            assert self._process.poll() is None, self._process.communicate()[1]
            assert time.monotonic() < deadline, "no window appeared"
            time.sleep(0.1)
        return found

    def ended(self) -> tuple[int, str]:
        """The exit code of the program and what it said."""
        _, err = self._process.communicate(timeout=PATIENCE)
        return self._process.returncode, err

    def _xdotool(self, *arguments: str) -> str:
        ran = subprocess.run(
            ["xdotool", *arguments], env=self._environment, capture_output=True, text=True
        )
        return ran.stdout.strip()


def test_a_window_shows_the_video_until_q_is_pressed(
    screen: str, config: Path, faces: Path, tmp_path: Path
) -> None:
    picture = np.array(Image.open(faces / "id-000" / "000.jpg").resize((320, 240)))
    minute = write_clip(tmp_path / "minute.mp4", itertools.repeat(picture, 1500))
    arguments = ["--config", str(config), "--camera", str(minute)]
    with Window(screen, "-m", "facenet", "live", *arguments) as window:
        window.number()
        deadline = time.monotonic() + PATIENCE
        # Under the caption in a corner, all but the box and its label is the picture.
        while not 200 < np.sum((away := differences(screen, picture)) > 100) < 20_000:
            assert time.monotonic() < deadline, "no box was drawn"
        window.press("q")
        code, err = window.ended()
    assert code == 0, err
    assert "1 face followed" in err
    assert "QFont" not in err
    assert np.median(away) < 12


def differences(screen: str, picture: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How far each value of the shown picture is from the right one, without the caption's rows."""
    shot = np.asarray(ImageGrab.grab(xdisplay=screen).convert("RGB"))
    return np.abs(shot[60:240, :320].astype(int) - picture[60:])


@pytest.mark.parametrize("by_user", [Window.close, lambda window: window.press("Escape")])
def test_a_window_is_closed_by_its_user(screen: str, by_user: Callable[[Window], None]) -> None:
    with Window(screen, "-c", WINDOW_ALONE) as window:
        by_user(window)
        assert window.ended() == (0, "")


def test_without_a_screen_there_is_a_way_out(
    facenet: Any, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    ran = facenet("live", "--config", config)
    assert ran.code == 2
    assert ran.err.endswith("facenet: there is no screen for a window: run it with --headless\n")
