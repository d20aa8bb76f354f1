"""The part of the gallery's tab in which mistakes are found and put right."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from facenet.errors import RequestError
from facenet.recognition import Recognizer, curation
from facenet.recognition.exchange import export_gallery, import_gallery
from facenet.recognition.suspects import duplicates, mix_ups
from facenet.text import count
from facenet_studio.handling import Changes, listen
from facenet_studio.html import notice, show

ENDINGS = [".jsonl", ".parquet"]
LATEST = 20
"""Entries of the log that are shown."""


def care_section(
    recognizer: Recognizer,
    status: gr.HTML,
    refresh: Callable[[str, int], Changes],
    place: Sequence[Any],
    shown: Sequence[Any],
) -> None:
    """Add it to the tab; `refresh` shows the people anew, from the values of `place`."""
    with gr.Accordion("Put it right", open=False, elem_id="care"):
        with gr.Row():
            person = _text("Person", "Whose name or samples?", "care-person")
            other = _text("Other name", "Who they are, or belong to", "care-other")
            numbers = _text("Samples", "Numbers; for Move", "care-samples")
        with gr.Row():
            list_samples = _button("Show samples", "care-list")
            rename = _button("Rename", "care-rename")
            merge = _button("Merge", "care-merge")
            move = _button("Move samples", "care-move")
        with gr.Row():
            find_duplicates = _button("Likely duplicates", "care-duplicates")
            find_mix_ups = _button("Likely mix-ups", "care-mix-ups")
            log = _button("What was done", "care-log")
            undo = _button("Undo last change", "care-undo")
        found = gr.HTML(elem_id="care-found")
        with gr.Row():
            export = _button("Export the gallery", "care-export")
            taken = gr.File(label="Import", file_types=ENDINGS, height=120, elem_id="care-import")
        exported = gr.File(label="Export", visible=False, elem_id="care-exported")

    def look(table: Callable[..., str]) -> Callable[..., Changes]:
        return lambda *values: {found: table(recognizer, *values), status: ""}

    def change(work: Callable[..., str]) -> Callable[..., Changes]:
        def answer(text: str, page: int, *values: str) -> Changes:
            said = work(recognizer, *(value.strip() for value in values))
            return {**refresh(text, page), found: "", status: notice("done", said)}

        return answer

    def write() -> Changes:
        folder = Path(tempfile.mkdtemp(dir=get_upload_folder()))
        path = folder / "gallery.jsonl"
        samples = export_gallery(recognizer, path)
        said = notice("done", f"{path.name} holds {count(samples, 'sample')}: biometric data.")
        return {exported: gr.File(str(path), visible=True), status: said}

    def read(text: str, page: int, file: dict[str, Any] | None) -> Changes:
        if not file:
            return {}
        samples, added = import_gallery(recognizer, Path(file["path"]))
        said = notice("done", f"{added} of {count(samples, 'sample')} added.")
        return {**refresh(text, page), status: said}

    for button, table, inputs in (
        (list_samples, _samples, [person]),
        (find_duplicates, _duplicates, []),
        (find_mix_ups, _mix_ups, []),
        (log, _log, []),
    ):
        listen(button.click, look(table), inputs, [found], status=status, progress=found)
    for button, work, inputs in (
        (rename, _rename, [person, other]),
        (merge, _merge, [person, other]),
        (move, _move, [person, other, numbers]),
        (undo, _undo, []),
    ):
        given = [*place, *inputs]
        listen(button.click, change(work), given, [*shown, found], status=status, progress=found)
    listen(export.click, write, [], [exported], status=status, progress=found)
    listen(taken.upload, read, [*place, taken], shown, status=status, progress=found)


def _text(label: str, placeholder: str, name: str) -> gr.Textbox:
    return gr.Textbox(label=label, placeholder=placeholder, max_lines=1, elem_id=name)


def _button(label: str, name: str) -> gr.Button:
    return gr.Button(label, size="sm", elem_id=name)


def _samples(recognizer: Recognizer, identity: str) -> str:
    record, held = curation.holdings(recognizer, identity.strip())
    rows = [
        [one.number, f"{one.at:%F %H:%M} UTC", float(one.embedding @ record.centroid), one.weight]
        for one in held
    ]
    headings = ["number", "enrolled", "similarity with the template", "weight"]
    return show("table", headings=headings, rows=rows)


def _duplicates(recognizer: Recognizer) -> str:
    rows = [[each.identity, each.other, each.similarity] for each in duplicates(recognizer)]
    headings = ["person", "may be", "similarity"]
    return show("table", headings=headings, rows=rows, nothing="No two people are so similar.")


def _mix_ups(recognizer: Recognizer) -> str:
    rows = [
        [each.identity, each.sample, each.similarity, each.other, each.other_similarity]
        for each in mix_ups(recognizer)
    ]
    headings = ["person", "sample", "similarity with the others", "more like", "similarity"]
    nothing = "Every sample is like the others of its person."
    return show("table", headings=headings, rows=rows, nothing=nothing)


def _log(recognizer: Recognizer) -> str:
    rows = [
        [
            entry.number,
            f"{entry.at:%F %H:%M} UTC",
            entry.action + (f" of {entry.undoes}" if entry.undoes else ""),
            entry.identity,
            entry.other,
            entry.samples,
        ]
        for entry in curation.history(recognizer, limit=LATEST)
    ]
    headings = ["number", "when", "what", "who", "to whom", "samples"]
    return show("table", headings=headings, rows=rows, nothing="Nothing was done yet.")


def _rename(recognizer: Recognizer, identity: str, to: str) -> str:
    curation.rename(recognizer, identity, to)
    return f"{identity} is now {to}."


def _merge(recognizer: Recognizer, identity: str, into: str) -> str:
    moved = curation.merge(recognizer, identity, into)
    return f"{count(moved, 'sample')} of {identity} moved to {into}; {identity} is gone."


def _move(recognizer: Recognizer, identity: str, to: str, numbers: str) -> str:
    if not re.fullmatch(r"\d{1,18}([\s,]+\d{1,18})*", numbers):
        raise RequestError(
            f"samples {numbers!r}: give their numbers, with commas between; 'Show samples' lists "
            "them"
        )
    chosen = [int(number) for number in re.findall(r"\d+", numbers)]
    moved = curation.move(recognizer, identity, to, chosen)
    return f"{count(moved, 'sample')} of {identity} moved to {to}."


def _undo(recognizer: Recognizer) -> str:
    entry = curation.undo(recognizer)
    return f"Entry {entry.undoes} of the log is undone."
