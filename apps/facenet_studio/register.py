"""The tab in which people are registered."""

from __future__ import annotations

from typing import Any

import gradio as gr

from facenet.recognition import Recognizer
from facenet_studio.faces import Found, doubts, find_faces, most_prominent, one_of_each, said_of
from facenet_studio.handling import Changes, listen, status_line
from facenet_studio.html import notice, show
from facenet_studio.uploads import files_of, many_photos

NOTHING_YET = notice("note", "The faces of the photos appear here.")


def register_tab(recognizer: Recognizer) -> None:
    """Add the tab, with what it does, to the page that is being made."""
    with gr.Tab("Register", id="register", elem_id="register-tab"), gr.Row(equal_height=False):
        found = gr.State([])
        with gr.Column(min_width=300):
            name = gr.Textbox(
                label="Name", placeholder="Who is it?", max_lines=1, elem_id="register-name"
            )
            photos = many_photos("Photos of this person", "register-photos")
        with gr.Column(min_width=300):
            seen = gr.HTML(NOTHING_YET, elem_id="register-faces")
            chosen = gr.CheckboxGroup(
                label="Which face is the person's?",
                info="One of each photo, at most.",
                visible=False,
                elem_id="register-chosen",
            )
            button = gr.Button(
                "Register", variant="primary", interactive=False, elem_id="register-button"
            )
            with gr.Column(
                visible=False, elem_classes="question", elem_id="register-question"
            ) as question:
                words = gr.HTML()
                with gr.Row():
                    yes = gr.Button("Register", variant="primary", elem_id="register-yes")
                    no = gr.Button("Cancel", elem_id="register-no")
            status = status_line("register")

    def look(items: list[dict[str, Any]] | None) -> Changes:
        faces, shown, problems = find_faces(recognizer, files_of(items))
        numbers = most_prominent(faces)
        changes = {
            found: faces,
            seen: show("faces", photos=shown) if shown else NOTHING_YET,
            chosen: gr.CheckboxGroup(
                choices=[(f"Face {face.number}", face.number) for face in faces],
                value=numbers,
                visible=len(numbers) < len(faces),
            ),
            button: gr.Button(interactive=bool(_fit(faces, numbers)), visible=True),
            question: gr.Column(visible=False),
        }
        if items:  # they also go when they are registered, and then the status is about that
            changes[status] = notice("problem", *problems) if problems else ""
        return changes

    def choose(faces: list[Found], numbers: list[int]) -> Changes:
        numbers = one_of_each(faces, numbers)
        return {
            chosen: numbers,
            button: gr.Button(interactive=bool(_fit(faces, numbers)), visible=True),
            question: gr.Column(visible=False),
        }

    def ask(identity: str, faces: list[Found], numbers: list[int]) -> Changes:
        identity, fit = identity.strip(), _fit(faces, numbers)
        if not identity or not fit:
            return {status: notice("problem", "Type a name, and choose a face, first.")}
        sentences = list(doubts(recognizer, identity, fit))
        if not sentences:
            return enrol(identity, faces, numbers)
        return {
            words: notice("warning", *sentences),
            yes: f"Register as {identity}",
            question: gr.Column(visible=True),
            button: gr.Button(visible=False),
            status: "",
        }

    def enrol(identity: str, faces: list[Found], numbers: list[int]) -> Changes:
        crops = [face.crop for face in faces if face.number in numbers]
        embeddings = recognizer.pipeline.embed(crops)
        enrolment = recognizer.enrol_crops(identity.strip(), crops, embeddings)
        emptied = {name: "", photos: None} if enrolment.added else {}
        return {**emptied, **take_back(), status: said_of(enrolment)}

    def take_back() -> Changes:
        return {question: gr.Column(visible=False), button: gr.Button(visible=True)}

    person = [name, found, chosen]
    asking = [question, button]
    looked = [found, seen, chosen, *asking]
    listen(photos.change, look, [photos], looked, status=status, progress=seen, latest=True)
    listen(chosen.input, choose, [found, chosen], [chosen, *asking], status=status, latest=True)
    listen(name.change, take_back, [], asking, status=status, latest=True)
    listen(no.click, take_back, [], asking, status=status)
    done = [*asking, words, yes, name, photos]
    listen(button.click, ask, person, done, status=status, progress=seen)
    listen(yes.click, enrol, person, done, status=status, progress=seen)


def _fit(faces: list[Found], numbers: list[int]) -> list[Found]:
    """Of the chosen faces those that would not be refused."""
    return [face for face in faces if face.number in numbers and not face.reasons]
