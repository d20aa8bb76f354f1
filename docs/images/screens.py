"""What service.py and studio.py share: a gallery of drawn people, and a browser before its page."""

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
keep_crops: true
"""


@contextmanager
def visited(frontend: str, width: int, height: int) -> Iterator[tuple[Page, Path]]:
    """A browser at the page of `facenet <frontend>`, over a gallery of five people, and a folder
    for photos."""
    with TemporaryDirectory() as scratch:
        config = Path(scratch, "inference.yaml")
        config.write_text(CONFIG.format(model=Path(MODEL).resolve()))
        with Recognizer.from_config(load_config(config)) as recognizer:
            for person, name in PEOPLE.items():
                if name is not None:
                    recognizer.enrol(name, [_picture(person, 1 + n) for n in range(SAMPLES)])
        with _served(frontend, config) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(address)
            yield page, Path(scratch)
            browser.close()


def photo_of(path: Path, *people: int, sample: int = 0) -> Path:
    """A photo of people side by side."""
    Image.fromarray(np.hstack([_picture(person, sample) for person in people])).save(path)
    return path


def save(page: Page, name: str, *, whole: bool = False) -> None:
    """What is seen, or the `whole` page, with few colours, once nothing moves any more."""
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_timeout(1000)
    picture = Image.open(io.BytesIO(page.screenshot(full_page=whole))).convert("RGB")
    few = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(Path(__file__).with_name(f"{name}.png"), optimize=True)


def _picture(person: int, sample: int) -> Image.Image:
    return draw_face(person, sample, seed=POPULATION, size=3 * SIZE).reduce(3)


@contextmanager
def _served(frontend: str, config: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "facenet", frontend, "--config", str(config), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        yield next(found[1] for line in lines if (found := re.search(r"on (http\S+)", line)))
        process.terminate()
