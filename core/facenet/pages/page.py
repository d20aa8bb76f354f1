"""Pages that need nothing beside them: HTML with its pictures inside; folders written whole."""

from __future__ import annotations

import base64
import html
import io
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from facenet.errors import FacenetError
from facenet.pages.parts import Chart
from facenet.pages.style import styled

FORMS: dict[str, dict[str, Any]] = {
    "png": {"dpi": 200},
    "pdf": {"metadata": {"CreationDate": None}},
}
"""How figures are saved as files of these endings."""
_NOT_NEEDED_IN_HTML = re.compile(
    r'<metadata>.*?</metadata>| xmlns(:\w+)?="[^"]*"| id="\w+_\d+"', re.S
)


def render(template: str, **values: object) -> str:
    """Fill in a template, named `package/file`; in pages, names and other texts are escaped.

    Pages extend `facenet.pages/page.html.j2`, which has the style of all.
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


def to_file(figure: Figure, form: str) -> bytes:
    """A figure on white, in one of `FORMS`."""
    return _saved(figure, form, facecolor="white", **FORMS[form])


def chart_files(charts: Iterable[Chart]) -> dict[str, bytes]:
    """Each chart in each of `FORMS`, by the file's name."""
    return {
        f"{chart.name}.{form}": to_file(chart.figure, form) for chart in charts for form in FORMS
    }


def write_files(
    folder: Path, files: Mapping[str, bytes], *, instead_of: Iterable[str] = ()
) -> None:
    """Write files, named by their path below `folder`; the last one is put in place last.

    No file is replaced before all are on the disk, so that an interrupted call leaves the former
    ones. Those of the patterns `instead_of` that are not written anew then go; other files of the
    folder stay. Raises `FacenetError` when the disk does not take them.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
            for number, content in enumerate(files.values()):
                Path(partial, str(number)).write_bytes(content)
            for number, name in enumerate(files):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(partial, str(number)), folder / name)
        for former in [path for pattern in instead_of for path in folder.glob(pattern)]:
            if former.relative_to(folder).as_posix() not in files:
                former.unlink(missing_ok=True)
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
