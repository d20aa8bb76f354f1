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
            numbers = _text("Samples", "Numbers; for Move and Erase", "care-samples")
            entry = _text("Change", "Number; for Undo; empty: the last", "care-entry")
        with gr.Row():
            list_samples = _button("Show samples", "care-list")
            rename = _button("Rename", "care-rename")
            merge = _button("Merge", "care-merge")
            move = _button("Move samples", "care-move")
            erase = _button("Erase samples", "care-erase")
        with gr.Row():
            find_duplicates = _button("Likely duplicates", "care-duplicates")
            find_mix_ups = _button("Likely mix-ups", "care-mix-ups")
            log = _button("What was done", "care-log")
            undo = _button("Undo", "care-undo")
        found = gr.HTML(elem_id="care-found")
        asked = gr.State(("", ()))
        with gr.Column(visible=False, elem_classes="question", elem_id="care-question") as question:
            words = gr.HTML()
            with gr.Row():
                yes = gr.Button("Erase", variant="stop", elem_id="care-yes")
                no = gr.Button("Keep", elem_id="care-no")
        with gr.Row():
            export = _button("Export the gallery", "care-export")
            export_person = _button("Export a person", "care-export-person")
            taken = gr.File(label="Import", file_types=ENDINGS, height=120, elem_id="care-import")
        exported = gr.File(label="Export", visible=False, elem_id="care-exported")

    def look(table: Callable[..., str]) -> Callable[..., Changes]:
        return lambda *values: {found: table(recognizer, *values), status: ""}

    def change(work: Callable[..., str]) -> Callable[..., Changes]:
        def answer(text: str, page: int, *values: str) -> Changes:
            said = work(recognizer, *(value.strip() for value in values))
            changes = {found: "", question: gr.Column(visible=False), status: notice("done", said)}
            return {**refresh(text, page), **changes}

        return answer

    def ask(identity: str, numbers: str) -> Changes:
        identity, chosen = identity.strip(), _sample_numbers(numbers)
        samples = count(len(chosen), "sample")
        sentence = f"Erase {samples} of {identity}, for good: {', '.join(map(str, chosen))}?"
        return {
            asked: (identity, chosen),
            words: notice("warning", sentence),
            question: gr.Column(visible=True),
            status: "",
        }

    def erase_asked(text: str, page: int, asked: tuple[str, list[int]]) -> Changes:
        return change(lambda _: _erase(recognizer, *asked))(text, page)

    def keep() -> Changes:
        return {question: gr.Column(visible=False)}

    def write(name: str, work: Callable[..., int]) -> Callable[..., Changes]:
        def answer(*values: str) -> Changes:
            path = Path(tempfile.mkdtemp(dir=get_upload_folder()), name)
            samples = work(recognizer, *(value.strip() for value in values), path)
            said = notice("done", f"{name} holds {count(samples, 'sample')}: biometric data.")
            return {exported: gr.File(str(path), visible=True), status: said}

        return answer

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
    changed = [*shown, found, question]
    for button, work, inputs in (
        (rename, _rename, [person, other]),
        (merge, _merge, [person, other]),
        (move, _move, [person, other, numbers]),
        (undo, _undo, [entry]),
    ):
        given = [*place, *inputs]
        listen(button.click, change(work), given, changed, status=status, progress=found)
    listen(erase.click, ask, [person, numbers], [asked, words, question], status=status)
    listen(yes.click, erase_asked, [*place, asked], changed, status=status, progress=found)
    listen(no.click, keep, [], [question], status=status)
    for button, name, hand_out, inputs in (
        (export, "gallery.jsonl", export_gallery, []),
        (export_person, "identity.zip", curation.export_identity, [person]),
    ):
        answer = write(name, hand_out)
        listen(button.click, answer, inputs, [exported], status=status, progress=found)
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
            "yes" if entry.undoable else None,
        ]
        for entry in curation.history(recognizer, limit=LATEST)
    ]
    headings = ["number", "when", "what", "who", "to whom", "samples", "can be undone"]
    return show("table", headings=headings, rows=rows, nothing="Nothing was done yet.")


def _rename(recognizer: Recognizer, identity: str, to: str) -> str:
    curation.rename(recognizer, identity, to)
    return f"{identity} is now {to}."


def _merge(recognizer: Recognizer, identity: str, into: str) -> str:
    moved = curation.merge(recognizer, identity, into)
    return f"{count(moved, 'sample')} of {identity} moved to {into}; {identity} is gone."


def _move(recognizer: Recognizer, identity: str, to: str, numbers: str) -> str:
    moved = curation.move(recognizer, identity, to, _sample_numbers(numbers))
    return f"{count(moved, 'sample')} of {identity} moved to {to}."


def _erase(recognizer: Recognizer, identity: str, numbers: Sequence[int]) -> str:
    erased = curation.erase(recognizer, identity, numbers)
    return f"{count(erased, 'sample')} of {identity} erased."


def _sample_numbers(text: str) -> list[int]:
    if not re.fullmatch(r"\s*\d{1,18}([\s,]+\d{1,18})*\s*", text):
        raise RequestError(
            f"samples {text!r}: give their numbers, with commas between; 'Show samples' lists them"
        )
    return [int(number) for number in re.findall(r"\d+", text)]


def _undo(recognizer: Recognizer, number: str) -> str:
    if not re.fullmatch(r"\d{0,18}", number):
        raise RequestError(
            f"change {number!r}: give its number, or none for the last; 'What was done' lists them"
        )
    entry = curation.undo(recognizer, int(number) if number else None)
    return f"Entry {entry.undoes} of the log is undone."
