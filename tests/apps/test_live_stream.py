"""`facenet live` on a stream that stops and comes back: a real server on a real socket."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="needs facenet-kit[live]")
pytest.importorskip("trackers", reason="needs facenet-kit[live]")

from facenet.errors import FacenetError
from facenet_live import Options, captures, feed
from facenet_live.view import LiveView

from .clips import by_event, colour_recognizer, frames_of, read_clip, square, write_clip

PICTURES = 15


@contextmanager
def camera(*ends: str) -> Iterator[str]:
    """The address of a camera that sends `PICTURES` in each connection, and then does what `ends`
    says of it: 'close' or 'stall'. After the last it sends nothing more."""
    picture = np.full((120, 160, 3), 100, np.uint8)
    picture[20:84, 40:104] = square("Red")
    jpeg = io.BytesIO()
    Image.fromarray(picture).save(jpeg, "JPEG", quality=95)
    remaining, closing = iter(ends), threading.Event()

    class Stream(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            end = next(remaining, "refuse")
            if end == "refuse":
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {jpeg.tell()}\r\n\r\n"
            for _ in range(PICTURES):
                self.wfile.write(head.encode() + jpeg.getvalue() + b"\r\n")
                closing.wait(0.04)
            if end == "stall":
                closing.wait(30)

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    with served(Stream) as address:
        yield address.replace("//", "//ann:s3cret@") + "/hall"
        closing.set()


@contextmanager
def served(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Watched(NamedTuple):
    """What a run until the stream was lost for good left: its log and its error."""

    log: list[dict[str, Any]]
    error: str


@pytest.fixture
def watch(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Watched]:
    """Watch an address, with less patience than a user has."""
    monkeypatch.setattr(captures, "STALLED", 0.4)
    # Longer than a tick: what is shorter is no outage.
    monkeypatch.setattr(feed, "FIRST_PAUSE", 2.5 * feed.TICK)
    recognizer = colour_recognizer(trained / "bundle", ["Red"])

    def run(address: str) -> Watched:
        events, output = tmp_path / "events.jsonl", tmp_path / "out.mp4"
        options = Options(
            camera=address, headless=True, events=events, output=output, reconnect=0.5
        )
        with pytest.raises(FacenetError) as caught:
            LiveView(options, recognizer).run()
        assert caught.value.exit_code == 1
        log = [json.loads(line) for line in events.read_text().splitlines()]
        return Watched(log, str(caught.value))

    return run


@pytest.mark.parametrize("end", ["close", "stall"])
def test_a_stream_that_was_lost_is_found_again(watch, end: str, capfd) -> None:
    with camera(end, "close") as address:
        log = watch(address).log
    said = [entry["event"] for entry in log if entry["event"].startswith("stream")]
    assert said == ["stream_lost", "stream_back", "stream_lost"]
    [back] = by_event(log, "stream_back")
    assert log[-1]["frame"] > back["frame"]
    assert {entry["name"] for entry in by_event(log, "left")} == {"Red"}
    assert "no picture comes, trying again\nthe stream is back\n" in capfd.readouterr().err


def test_a_stream_that_is_lost_for_good_ends_the_run_and_keeps_what_was_recorded(
    watch, tmp_path: Path
) -> None:
    with camera("close") as address:
        log, error = watch(address)
    assert error.endswith("given up after 0.5 s (--reconnect)")
    assert log[-1]["event"] == "ended"
    assert len(read_clip(tmp_path / "out.mp4")[0]) == log[-1]["frames"] > 1


def test_the_password_of_an_address_is_not_told(watch, tmp_path: Path, capfd) -> None:
    with camera("close") as address:
        assert "s3cret" in address
        error = watch(address).error
    written = (tmp_path / "events.jsonl").read_text()
    assert "127.0.0.1" in written
    assert "s3cret" not in written + error + capfd.readouterr().err


def test_a_film_at_an_address_ends_as_a_file_does(trained: Path, tmp_path: Path) -> None:
    """It has a length, and is not a stream that was lost."""
    film = write_clip(tmp_path / "film.mkv", frames_of([], 10, (160, 120)))
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with served(handler) as address:
        options = Options(camera=f"{address}/{film.name}", headless=True)
        recognizer = colour_recognizer(trained / "bundle", ["Red"])
        assert LiveView(options, recognizer).run() == 0
