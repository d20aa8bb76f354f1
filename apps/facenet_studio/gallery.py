"""The tab that shows who is enrolled, and forgets them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import gradio as gr

from facenet.recognition import Recognizer
from facenet.stores import IdentityRecord, StoreStats
from facenet.text import count
from facenet_studio.care import care_section
from facenet_studio.handling import Changes, listen, status_line
from facenet_studio.html import NOBODY_YET, notice, png_address, show

PEOPLE_ON_A_PAGE, THUMBNAILS = 24, 4

# A click on a person's button becomes an event with that person's name.
_SELECT = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-identity]");
  if (button) trigger("select", {identity: button.dataset.identity});
});
"""


def people(recognizer: Recognizer, text: str, page: int) -> tuple[list[IdentityRecord], bool]:
    """The records of a page, from 0, of those whose name holds a text, whatever its case; and
    whether there are more pages."""
    wanted = text.strip().casefold()
    records = recognizer.store.identities()
    matching = (record for record in records if wanted in record.identity.casefold())
    start = page * PEOPLE_ON_A_PAGE
    found = list(islice(matching, start, start + PEOPLE_ON_A_PAGE + 1))
    return found[:PEOPLE_ON_A_PAGE], len(found) > PEOPLE_ON_A_PAGE


def gallery_tab(recognizer: Recognizer) -> None:
    """Add the tab, with what it does, to the page that is being made."""
    with gr.Tab("Gallery", id="gallery", elem_id="gallery-tab") as tab:
        page, asked = gr.State(0), gr.State("")
        totals = gr.HTML(elem_id="gallery-totals")
        text = gr.Textbox(
            label="Find a name",
            placeholder="A part of the name",
            max_lines=1,
            elem_id="gallery-filter",
        )
        status = status_line("gallery")
        cards = gr.HTML(js_on_load=_SELECT, apply_default_css=False, elem_id="gallery-people")
        with gr.Row(visible=False) as pages:
            previous = gr.Button("Previous", elem_id="gallery-previous")
            following = gr.Button("Next", elem_id="gallery-next")
        with gr.Column(
            visible=False, elem_classes="question", elem_id="gallery-question"
        ) as question:
            words = gr.HTML()
            with gr.Row():
                delete = gr.Button("Delete", variant="stop", elem_id="gallery-delete")
                no = gr.Button("Keep", elem_id="gallery-no")

    def turn(text: str, number: int) -> Changes:
        records, more = people(recognizer, text, number)
        if not records and number:
            return turn(text, number - 1)
        stats = recognizer.store.stats()
        return {
            page: number,
            cards: _cards(recognizer, records) if records else _nobody(text, stats),
            pages: gr.Row(visible=more or number > 0),
            previous: gr.Button(interactive=number > 0),
            following: gr.Button(interactive=more),
            totals: show("totals", stats=stats),
            question: gr.Column(visible=False),
            status: "",
        }

    def first(text: str) -> Changes:
        return turn(text, 0)

    def turn_back(text: str, number: int) -> Changes:
        return turn(text, number - 1)

    def turn_on(text: str, number: int) -> Changes:
        return turn(text, number + 1)

    def ask(event: gr.EventData) -> Changes:
        record = recognizer.store.get(event.identity)
        if record is None:
            return {status: _not_there(event.identity)}
        samples = count(record.samples, "sample")
        return {
            asked: record.identity,
            words: notice("warning", f"Delete {record.identity} and {samples}, for good?"),
            delete: f"Delete {record.identity}",
            question: gr.Column(visible=True),
            status: "",
        }

    def forget(identity: str, text: str, number: int) -> Changes:
        receipt = recognizer.forget(identity)
        samples = count(receipt.samples, "sample")
        gone = notice("done", f"{identity} and {samples} were deleted.")
        return {**turn(text, number), status: gone if receipt.samples else _not_there(identity)}

    def keep() -> Changes:
        return {question: gr.Column(visible=False)}

    place = [text, page]
    shown = [page, cards, pages, previous, following, totals, question]
    listen(
        [tab.select, text.change],
        first,
        [text],
        shown,
        status=status,
        progress=cards,
        latest=True,
    )
    listen(previous.click, turn_back, place, shown, status=status, progress=cards)
    listen(following.click, turn_on, place, shown, status=status, progress=cards)
    listen(cards.select, ask, [], [asked, words, delete, question], status=status, latest=True)
    listen(delete.click, forget, [asked, *place], shown, status=status, progress=cards)
    listen(no.click, keep, [], [question], status=status)
    with tab:
        care_section(recognizer, status, turn, place, shown)


def _cards(recognizer: Recognizer, records: Sequence[IdentityRecord]) -> str:
    return show("people", people=[_card(recognizer, record) for record in records])


def _card(recognizer: Recognizer, record: IdentityRecord) -> dict[str, Any]:
    kept = recognizer.kept_crops(record.identity)[:THUMBNAILS]
    return {
        "identity": record.identity,
        "initial": record.identity.strip()[0],
        "samples": count(record.samples, "sample"),
        "metadata": record.metadata,
        "thumbnails": [png_address(encoded) for encoded in kept],
    }


def _nobody(text: str, stats: StoreStats) -> str:
    return notice("note", f"Nobody's name holds {text!r}.") if stats.identities else NOBODY_YET


def _not_there(identity: str) -> str:
    return notice("note", f"{identity} is not in the gallery any more.")
