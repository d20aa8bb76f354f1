"""The tab in which two photos are compared."""

from __future__ import annotations

from typing import Any

import gradio as gr

from facenet.models import Calibration
from facenet.pages.page import data_address
from facenet.recognition import Decision, Recognizer
from facenet.recognition.cropping import Crop
from facenet_studio.handling import Changes, listen, status_line
from facenet_studio.html import show
from facenet_studio.uploads import File, one_photo, opened


def compare(recognizer: Recognizer, *files: File) -> str:
    """Two photos' most prominent faces, how similar they are, and what that means, as HTML.

    Raises `ImageError` for a photo that is broken or without a face.
    """
    crops = [recognizer.pipeline.best_crop(opened(recognizer, file)) for file in files]
    faces = [_face(which, crop) for which, crop in zip(("first", "second"), crops, strict=True)]
    if recognizer.known_threshold() is None:
        undecided = recognizer.verify_crops(*crops, threshold=1)  # for its similarity alone
        return show(
            "comparison",
            faces=faces,
            similarity=undecided.similarity,
            threshold=None,
            headline="How alike they are, and no verdict",
            sentences=[
                "No threshold was measured for this model, so nobody can say from which similarity "
                "two photos show one person. `facenet calibrate` finds it."
            ],
        )
    decision = recognizer.verify_crops(*crops)
    headline, sentences = in_words(decision, recognizer.model.card.calibration)
    return show(
        "comparison",
        faces=faces,
        similarity=decision.similarity,
        threshold=decision.threshold,
        headline=headline,
        sentences=sentences,
    )


def in_words(decision: Decision, calibration: Calibration | None) -> tuple[str, list[str]]:
    """A headline, and sentences on how far to trust it; `calibration` is the model's."""
    measured = calibration if decision.threshold_origin.startswith("calibrated") else None
    close = measured is not None and measured.low <= decision.similarity <= measured.high
    relation = "reaches" if decision.match else "is below"
    sentences = [
        f"The similarity, {decision.similarity:.4f}, {relation} the threshold, "
        f"{decision.threshold:.4f} ({decision.threshold_origin})."
    ]
    if measured:
        sentences.append(
            f"At this threshold 1 in {1 / measured.far:,.0f} pairs of different people is taken "
            "for one person."
        )
    if measured and close:
        sentences.append(
            f"This is close: the threshold is only known to lie between {measured.low:.4f} and "
            f"{measured.high:.4f}. Compare other photos as well."
        )
    if decision.probability is not None:
        sentences.append(
            f"Where both answers are as frequent, it is one person in {decision.probability:.1%} "
            "of such cases."
        )
    if not decision.match:
        sentences.append(
            "It does not prove that they are two people: photos of one person can differ as much."
        )
        return "Not enough alike to be taken for the same person", sentences
    if measured is None:
        return "Alike enough to be taken for the same person", sentences
    return f"{'Probably' if close else 'Very likely'} the same person", sentences


def verify_tab(recognizer: Recognizer) -> None:
    """Add the tab, with what it does, to the page that is being made."""
    with gr.Tab("Verify", id="verify", elem_id="verify-tab"):
        with gr.Row():
            photos = [
                one_photo("First photo", "verify-first"),
                one_photo("Second photo", "verify-second"),
            ]
        button = gr.Button("Compare", variant="primary", interactive=False, elem_id="verify-button")
        status = status_line("verify")
        result = gr.HTML(elem_id="verify-result")

    def check(*files: File | None) -> Changes:
        return {button: gr.Button(interactive=None not in files), result: "", status: ""}

    def answer(*files: File | None) -> Changes:
        given = [file for file in files if file]
        if len(given) < len(files):  # one was taken away at this moment
            return {status: ""}
        return {result: compare(recognizer, *given), status: ""}

    changed = [photo.change for photo in photos]
    listen(changed, check, photos, [button, result], status=status, latest=True)
    listen(button.click, answer, photos, [result], status=status, progress=result)


def _face(which: str, crop: Crop) -> dict[str, Any]:
    several = f": the most prominent of {crop.faces} faces" if crop.faces > 1 else ""
    return {
        "which": which,
        "picture": data_address(crop.pixels),
        "caption": f"{crop.source}{several}",
    }
