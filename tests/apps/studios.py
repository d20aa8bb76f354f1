"""A studio in a process of its own, and a browser to visit it with."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

PATIENCE = 60_000
"""Milliseconds for what a page needs: machines differ."""


@dataclass(frozen=True)
class Running:
    """A studio that listens at `address`, and what it wrote so far."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path

    def stop(self) -> int:
        """Ask it to stop; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def studio(config: Path, *flags: str, **variables: str) -> Iterator[Running]:
    """`facenet studio` on any free port, with environment variables; stopped at the end."""
    log = config.with_name("studio.log")
    command = [sys.executable, "-m", "facenet", "studio", "--config", str(config), "--port", "0"]
    with (
        log.open("wb") as file,
        subprocess.Popen(
            [*command, *flags], stderr=file, env={**os.environ, **variables}
        ) as process,
    ):
        try:
            yield Running(process, _address(process, log), log)
        finally:
            if process.poll() is None:
                process.terminate()


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium; skips, visibly, where it is not installed."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def go_to(page: Page, tab: str) -> None:
    """Open a tab by its name."""
    page.get_by_role("tab", name=tab).click()


def give(page: Page, name: str, files: Sequence[Path]) -> None:
    """Choose files for the photos of that name."""
    page.locator(f"#{name} input[type=file]").set_input_files(files)


def field(page: Page, name: str) -> Locator:
    """Where the text of that name is typed."""
    return page.locator(f"#{name} input")


def press(page: Page, name: str) -> None:
    """Click a button once it can be clicked."""
    page.locator(f"#{name}").click()


def wait_for(page: Page, name: str, text: str) -> str:
    """The whole text of a part of the page, once it holds `text`."""
    part = page.locator(f"#{name}")
    part.get_by_text(text).first.wait_for()
    return part.inner_text()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + PATIENCE / 1000
    while process.poll() is None and time.monotonic() < deadline:
        if found := re.search(r"listening on (http://127\.0\.0\.1:\d+)", log.read_text()):
            return found[1]
        time.sleep(0.1)
    pytest.fail(f"the studio does not listen: {log.read_text()}")
