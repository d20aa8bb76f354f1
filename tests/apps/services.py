"""The HTTP service in a process of its own, spoken to over a real socket."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

PATIENCE = 120
"""Seconds for what a process needs: machines differ."""
_ADDRESS = re.compile(r"listening on (http://\S+:\d+)")


@dataclass(frozen=True)
class Running:
    """A service that listens at `address`; `client` calls it, and `log` is what it writes."""

    process: subprocess.Popen[bytes]
    address: str
    client: httpx.Client
    log: Path

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def entries(self) -> list[dict[str, Any]]:
        """The lines of the log, all of which must be JSON but for the one with the address."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if not _ADDRESS.search(line)]

    def entry(self, **fields: Any) -> dict[str, Any]:
        """The line with these fields, which may still be on its way to the file."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for entry in self.entries():
                if fields.items() <= entry.items():
                    return entry
            time.sleep(0.05)
        pytest.fail(f"no such line: {fields}")

    def stop(self) -> None:
        """Ask it to stop, as a supervisor does; it must do so cleanly."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0, self.log.read_text()
        assert "Traceback" not in self.log.read_text()


@contextmanager
def running(config: Path, *flags: object, **variables: str) -> Iterator[Running]:
    """`facenet serve` on any free port, with flags and environment variables, once it has said
    what it listens at; it is stopped at the end, if it was not before."""
    log = config.with_name(f"{config.stem}-{time.monotonic_ns()}.log")
    command = [sys.executable, "-m", "facenet", "serve", "--config", str(config), "--port", "0"]
    with (
        log.open("wb") as file,
        subprocess.Popen(
            [*command, *map(str, flags)], stderr=file, env={**os.environ, **variables}
        ) as process,
    ):
        try:
            address = _address(process, log)
            with httpx.Client(base_url=address, timeout=PATIENCE) as client:
                service = Running(process, address, client, log)
                yield service
                if process.poll() is None:
                    service.stop()
        finally:
            if process.poll() is None:
                process.kill()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if found := _ADDRESS.search(log.read_text()):
            return found[1].replace("0.0.0.0", "127.0.0.1")
        time.sleep(0.05)
    pytest.fail(f"the service does not listen: {log.read_text()}")


def install_moody(folder: Path) -> Path:
    """Install the detector of `moody_detector.py` in a folder, for PYTHONPATH."""
    about = folder / "moody-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: moody\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[facenet.detectors]\nmoody = moody_detector\n")
    shutil.copy(Path(__file__).with_name("moody_detector.py"), folder)
    return folder


def text_of(content: bytes | Path) -> str:
    """An image as JSON holds it."""
    return base64.b64encode(content.read_bytes() if isinstance(content, Path) else content).decode()


def picture(width: int = 64, height: int = 64, *, plain: bool = False, seed: int = 0) -> bytes:
    """A PNG file of that size: stripes, other ones for another seed, or one colour."""
    image = Image.new("RGB", (width, height), "gray")
    if not plain:
        for x in range(width):
            colour = ((x * 37 + seed * 101) % 256, (x * 91) % 256, (seed * 53 + x * 7) % 256)
            image.paste(colour, (x, 0, x + 1, height))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and kind of an answer, which must be a whole problem document."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    body = response.json()
    assert {"type", "title", "status", "detail"} <= set(body)
    assert body["status"] == response.status_code
    assert body["title"]
    assert body["detail"]
    assert "Traceback" not in response.text
    return response.status_code, body["type"].removeprefix("urn:facenet:problem:")
