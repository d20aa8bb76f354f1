"""The tab on the model: its card, and the page of an evaluation."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from facenet.errors import RequestError
from facenet.models import describe
from facenet.recognition import Recognizer
from facenet_studio.handling import Changes, listen, status_line
from facenet_studio.html import notice, show

PAGE = "index.html"
"""What `facenet evaluate` calls its page."""
NO_REPORT = notice(
    "note",
    "No evaluation is shown. `facenet evaluate --output FOLDER` makes one; name that folder with "
    "--report, or as `frontends: {studio: {report: FOLDER}}` in the configuration.",
)


def find_report(given: Path | None, model: Path) -> Path | None:
    """The page that was named, else one beside the model, else None.

    Raises `RequestError` when there is none where one was named.
    """
    if given is None:
        beside = (model.parent / "report.html", model.parent / "report" / PAGE)
        return next((path for path in beside if path.is_file()), None)
    path = given / PAGE if given.is_dir() else given
    if not path.is_file() or path.suffix.lower() not in (".html", ".htm"):
        raise RequestError(
            f"report: {path}: no such page; name the folder that `facenet evaluate --output` "
            "wrote, or an .html file"
        )
    return path


def report_tab(recognizer: Recognizer, report: Path | None) -> None:
    """Add the tab, with what it does, to the page that is being made."""
    with gr.Tab("Report", id="report", elem_id="report-tab") as tab:
        gr.HTML(show("model", sections=describe(recognizer.model.card)), elem_id="report-model")
        status = status_line("report")
        evaluation = gr.HTML(elem_id="report-evaluation")

    def read() -> Changes:
        path = find_report(report, recognizer.config.checkpoint_path)
        if path is None:
            return {evaluation: NO_REPORT}
        try:
            content = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise RequestError(f"{path}: cannot be read: {error.strerror}") from error
        return {evaluation: show("report", content=content), status: ""}

    listen(tab.select, read, [], [evaluation], status=status, progress=evaluation)
