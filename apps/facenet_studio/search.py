"""The tab in which the people on a photo are looked for."""

from __future__ import annotations

from typing import Any

import gradio as gr

from facenet.errors import ImageError
from facenet.pages.page import data_address
from facenet.recognition import FaceMatches, Recognizer
from facenet.recognition.cropping import Crop
from facenet.recognition.pictures import picture_of_search, who
from facenet_studio.handling import Changes, listen, status_line
from facenet_studio.html import NOBODY_YET, notice, png_address, show
from facenet_studio.uploads import File, one_photo, opened

NOTHING_YET = notice("note", "Who is on the photo appears here.")


def find(recognizer: Recognizer, file: File, top_k: int, min_similarity: float) -> str:
    """A photo with its faces and their names, and who is most like each of them, as HTML.

    Raises `ImageError` for a photo that is broken or without a face.
    """
    photo = opened(recognizer, file)
    crops = recognizer.pipeline.crops(photo)
    if not crops:
        raise ImageError(f"{photo.name}: no face found")
    results = recognizer.search_crops(crops, top_k=top_k, min_similarity=min_similarity)
    return show(
        "matches",
        picture=data_address(picture_of_search(photo, results)),
        name=photo.name,
        threshold=results[0].threshold,
        explanation=_explanation(results[0]),
        faces=[
            _face(recognizer, number, crop, result)
            for number, (crop, result) in enumerate(zip(crops, results, strict=True), start=1)
        ],
    )


def search_tab(recognizer: Recognizer) -> None:
    """Add the tab, with what it does, to the page that is being made."""
    with gr.Tab("Search", id="search", elem_id="search-tab"), gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            photo = one_photo("A photo with one face or many", "search-photo")
            top_k = gr.Slider(
                1, 20, 5, step=1, label="People to show for each face", elem_id="search-top-k"
            )
            min_similarity = gr.Slider(
                -1, 1, -1, step=0.01, label="Smallest similarity to show", elem_id="search-min"
            )
            button = gr.Button(
                "Search", variant="primary", interactive=False, elem_id="search-button"
            )
            status = status_line("search")
        with gr.Column(min_width=300, scale=2):
            result = gr.HTML(NOTHING_YET, elem_id="search-result")

    def check(file: File | None) -> Changes:
        return {button: gr.Button(interactive=file is not None), result: NOTHING_YET, status: ""}

    def answer(file: File | None, top_k: int, min_similarity: float) -> Changes:
        if file is None:  # it was taken away at this moment
            return {status: ""}
        if not recognizer.store.count():
            return {result: NOTHING_YET, status: NOBODY_YET}
        return {result: find(recognizer, file, top_k, min_similarity), status: ""}

    listen(photo.change, check, [photo], [button, result], status=status, latest=True)
    asked = [photo, top_k, min_similarity]
    listen(button.click, answer, asked, [result], status=status, progress=result)


def _explanation(result: FaceMatches) -> str:
    if result.threshold is None:
        return (
            "No threshold was measured for this model, so nobody is named for sure: names with a "
            "question mark are the most similar."
        )
    return (
        f"The line on each bar is the threshold, {result.threshold:.4f} "
        f"({result.threshold_origin}). Nobody is named below it."
    )


def _face(recognizer: Recognizer, number: int, crop: Crop, result: FaceMatches) -> dict[str, Any]:
    return {
        "title": f"Face {number}: {who(result)}",
        "picture": data_address(crop.pixels),
        "matches": [
            {
                "identity": match.identity,
                "similarity": match.similarity,
                "thumbnail": next(map(png_address, recognizer.kept_crops(match.identity)), None),
            }
            for match in result.matches
        ],
    }
