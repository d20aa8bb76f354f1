"""Photos as a browser sends them: whole files, which the recognizer alone opens."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import gradio as gr
from gradio.utils import get_upload_folder, is_in_or_equal

from facenet.imaging import Photo
from facenet.recognition import Recognizer

File = Mapping[str, Any]
"""An upload as Gradio records it: its `path` on this machine, and the `orig_name` it had."""

_SOURCES: list[Literal["upload", "webcam", "clipboard"]] = ["upload", "webcam", "clipboard"]
_FOLDER = "GRADIO_TEMP_DIR"
"""Where Gradio keeps what is uploaded; it has no other way to be told."""


@contextmanager
def private_upload_folder() -> Iterator[None]:
    """Uploads go to a folder that no other user may read, and that is gone at the end."""
    before = os.environ.get(_FOLDER)
    with tempfile.TemporaryDirectory(prefix="facenet-studio-") as folder:
        os.environ[_FOLDER] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[_FOLDER]
            else:
                os.environ[_FOLDER] = before


class Page(gr.Blocks):
    """Blocks that read what was uploaded, and no other file.

    Gradio checks this only in applications that it starts by itself, and fetches addresses.
    """

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], *rest: Any, **more: Any
    ) -> list[Any]:
        if not all(is_in_or_equal(path, get_upload_folder()) for path in _paths(inputs)):
            raise gr.Error("only files that were uploaded here are read", print_exception=False)
        values: list[Any] = await super().preprocess_data(block_fn, inputs, *rest, **more)
        return values


def one_photo(label: str, name: str) -> gr.Image:
    """Where a visitor puts one photo; its value is the record of a file, or None."""
    return gr.Image(
        label=label,
        sources=_SOURCES,
        height=280,
        buttons=[],
        elem_id=name,
    )


def many_photos(label: str, name: str) -> gr.Gallery:
    """Where a visitor puts any number of photos; its value is what `files_of` reads."""
    return gr.Gallery(
        label=label,
        sources=_SOURCES,
        file_types=["image"],
        interactive=True,
        columns=3,
        object_fit="contain",
        buttons=[],
        elem_id=name,
    )


def files_of(items: Sequence[Mapping[str, Any]] | None) -> list[File]:
    """The files in the value of `many_photos`."""
    return [item.get("image") or item["video"] for item in items or ()]


def opened(recognizer: Recognizer, file: File) -> Photo:
    """The photo of an upload, called by the name that its file had; raises `ImageError`."""
    path = file["path"]
    return recognizer.pipeline.open(path, name=file.get("orig_name") or Path(path).name)


def _paths(value: Any) -> Iterator[str]:
    """Every path that stands somewhere in the values of a request."""
    if isinstance(value, dict):
        if isinstance(path := value.get("path"), str):
            yield path
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _paths(item)
