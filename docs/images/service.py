"""Draws docs/images/service-page.png: the page of `facenet serve` over a gallery of drawn people.

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

COLOURS = 256
CONFIG = """\
checkpoint_path: {model}
device: cpu
detector: yunet
quality: off
"""


def main() -> None:
    """Enrol five people, compare two photos of one, and search a photo of three."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        config = folder / "inference.yaml"
        config.write_text(CONFIG.format(model=Path(MODEL).resolve()))
        with Recognizer.from_config(load_config(config)) as recognizer:
            for person, name in PEOPLE.items():
                if name is not None:
                    recognizer.enrol(name, [_picture(person, 1 + n) for n in range(SAMPLES)])
        with _service(config) as address, _page(address) as page:
            for place, sample in (("a", 0), ("b", 2)):
                photo = _photo(folder / f"{place}.png", 5, sample=sample)
                page.locator(f"#verify input[name=image_{place}]").set_input_files(photo)
            page.locator("#verify button").click()
            photo = _photo(folder / "party.png", *list(PEOPLE)[3:])
            page.locator("#search input[type=file]").set_input_files(photo)
            page.locator("#search input[type=number]").fill("3")
            page.locator("#search button").click()
            page.locator("#verify strong").wait_for()
            page.locator("#search table").last.wait_for()
            _save(page)


def _picture(person: int, sample: int) -> Image.Image:
    return draw_face(person, sample, seed=POPULATION, size=3 * SIZE).reduce(3)


def _photo(path: Path, *people: int, sample: int = 0) -> Path:
    """A photo of people side by side."""
    Image.fromarray(np.hstack([_picture(person, sample) for person in people])).save(path)
    return path


def _save(page: Page) -> None:
    """With few colours."""
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    few = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(Path(__file__).with_name("service-page.png"), optimize=True)


@contextmanager
def _service(config: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "facenet", "serve", "--config", str(config), "--port", "0"]
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
        page = browser.new_page(viewport={"width": 1100, "height": 600})
        page.goto(address)
        yield page
        browser.close()


if __name__ == "__main__":
    main()
