"""Pages that need nothing beside them: HTML with its pictures inside; folders written whole."""

from __future__ import annotations

import base64
import html
import io
import os
import re
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from facenet.errors import FacenetError
from facenet.evaluation.style import styled

_NOT_NEEDED_IN_HTML = re.compile(
    r'<metadata>.*?</metadata>| xmlns(:\w+)?="[^"]*"| id="\w+_\d+"', re.S
)


def render(template: str, **values: object) -> str:
    """Fill in a template, named `package/file`; in pages, names and other texts are escaped.

    Pages extend `facenet.evaluation/page.html.j2`, which has the style of all.
    """
    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=select_autoescape(("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def data_address(picture: NDArray[np.uint8]) -> str:
    """An (H, W, 3) RGB picture as the address of an <img>."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def to_svg(figure: Figure, description: str) -> str:
    """An <svg> element; `description` is read to those who do not see it."""
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    text = _saved(figure, "svg", metadata=nothing).decode("utf-8")
    text = _NOT_NEEDED_IN_HTML.sub("", text[text.index("<svg") :])
    return text.replace("<svg", f'<svg role="img" aria-label="{html.escape(description)}"', 1)


def to_png(figure: Figure) -> bytes:
    """On white, 200 pixels per inch."""
    return _saved(figure, "png", dpi=200, facecolor="white")


def to_pdf(figure: Figure) -> bytes:
    """On white, with its fonts inside."""
    return _saved(figure, "pdf", facecolor="white", metadata={"CreationDate": None})


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files, named by their path below `folder`; the last one is put in place last.

    No file is replaced before all are on the disk, so that an interrupted call leaves the former
    ones. Other files of the folder stay. Raises `FacenetError` when the disk does not take them.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
            for number, content in enumerate(files.values()):
                Path(partial, str(number)).write_bytes(content)
            for number, name in enumerate(files):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(partial, str(number)), folder / name)
    except OSError as error:
        raise FacenetError(f"{folder}: the report cannot be written: {error.strerror}") from error


def _source(template: str) -> str:
    package, _, name = template.partition("/")
    return resources.files(package).joinpath(name).read_text("utf-8")


@styled
def _saved(figure: Figure, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, **options)
    figure.set_layout_engine("none")  # laid out once: the same in every form
    return buffer.getvalue()
