"""Draws docs/images/studio-*.png: the tabs of `facenet studio` over a gallery of drawn people.

Needs the model that search.py needs, and chromium.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from search import MODEL, PEOPLE, POPULATION, SAMPLES, SIZE

from facenet import Recognizer
from facenet.config import load_config
from facenet.drawn_faces import draw_face

NEWCOMER = 20
"""Of the people of search.py the one who is not enrolled."""
COLOURS = 256
CONFIG = """\
checkpoint_path: {model}
device: cpu
detector: yunet
quality: off
keep_crops: true
"""


def main() -> None:
    """Enrol five people, and look at each tab as a visitor who uses it."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        config = folder / "inference.yaml"
        config.write_text(CONFIG.format(model=Path(MODEL).resolve()))
        with Recognizer.from_config(load_config(config)) as recognizer:
            for person, name in PEOPLE.items():
                if name is not None:
                    recognizer.enrol(name, [_picture(person, 1 + n) for n in range(SAMPLES)])
        with _studio(config) as address, _page(address) as page:
            _register(page, folder)
            _verify(page, folder)
            _search(page, folder)
            _gallery(page)
            _report(page)


def _register(page: Page, folder: Path) -> None:
    photos = [_photo(folder / "holiday.png", 4, NEWCOMER), _photo(folder / "garden.png", NEWCOMER)]
    page.locator("#register-photos input[type=file]").set_input_files(photos)
    page.locator("#register-name input").fill("Nadia")
    page.get_by_text("Face 3").last.wait_for()
    _save(page, "register")


def _verify(page: Page, folder: Path) -> None:
    page.get_by_role("tab", name="Verify").click()
    for place, sample in (("first", 0), ("second", 2)):
        photo = _photo(folder / f"{place}.png", 5, sample=sample)
        page.locator(f"#verify-{place} input[type=file]").set_input_files(photo)
    page.locator("#verify-button").click()
    page.locator(".verdict").wait_for()
    _save(page, "verify")


def _search(page: Page, folder: Path) -> None:
    page.get_by_role("tab", name="Search").click()
    photo = _photo(folder / "party.png", *list(PEOPLE)[3:])
    page.locator("#search-photo input[type=file]").set_input_files(photo)
    page.locator("#search-top-k input[type=number]").fill("3")
    page.locator("#search-button").click()
    page.locator(".found").last.wait_for()
    _save(page, "search")


def _gallery(page: Page) -> None:
    page.get_by_role("tab", name="Gallery").click()
    page.locator(".people .card").last.wait_for()
    _save(page, "gallery")


def _report(page: Page) -> None:
    page.get_by_role("tab", name="Report").click()
    page.locator("#report-evaluation .notice, #report-evaluation iframe").wait_for()
    _save(page, "report")


def _picture(person: int, sample: int) -> Image.Image:
    return draw_face(person, sample, seed=POPULATION, size=3 * SIZE).reduce(3)


def _photo(path: Path, *people: int, sample: int = 0) -> Path:
    """A photo of people side by side."""
    Image.fromarray(np.hstack([_picture(person, sample) for person in people])).save(path)
    return path


def _save(page: Page, name: str) -> None:
    """With few colours, once all pictures are there and nothing moves."""
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_timeout(1000)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    few = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(Path(__file__).with_name(f"studio-{name}.png"), optimize=True)


@contextmanager
def _studio(config: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "facenet", "studio", "--config", str(config), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        yield next(found[1] for line in lines if (found := re.search(r"on (http\S+)", line)))
        process.terminate()


@contextmanager
def _page(address: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        yield page
        browser.close()


if __name__ == "__main__":
    main()
