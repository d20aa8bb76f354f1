"""From what a visitor does to what the page then shows, failures included."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import gradio as gr

from facenet.errors import FacenetError
from facenet_studio.html import notice

logger = logging.getLogger(__name__)

Changes = Mapping[Any, Any]
"""What becomes of the page: components with their new values; others stay as they are."""


def status_line(name: str) -> gr.HTML:
    """Where a tab says what was done, or why it was not; read aloud when it changes."""
    return gr.HTML(
        html_template='<div role="status" aria-live="polite">${value}</div>',
        value="",
        elem_id=f"{name}-status",
    )


def listen(
    triggers: Callable[..., Any] | Sequence[Callable[..., Any]],
    handler: Callable[..., Changes],
    inputs: Sequence[Any] = (),
    outputs: Sequence[Any] = (),
    *,
    status: gr.HTML,
    progress: gr.HTML | None = None,
    latest: bool = False,
) -> None:
    """Call `handler` with the values of `inputs`, and change `outputs` and `status` as it answers.

    Values come as the browser sends them: Gradio would open the photos, and write them again.
    `progress` shows that work is being done; None: it is too quick for that. Of triggers during the
    work none counts or, with `latest`, the last one.

    The text of a `FacenetError` becomes the status. Whatever else is raised is a bug: its traceback
    goes to the log, a plain sentence to the page.
    """

    @wraps(handler)
    def answer(*values: Any) -> Changes:
        try:
            return handler(*values)
        except FacenetError as error:
            return {status: notice("problem", f"{error}.")}
        except Exception:
            logger.exception("%s failed", handler.__qualname__)
            return {status: notice("problem", "This failed; the log of the service says why.")}

    gr.on(
        triggers,
        answer,
        list(inputs),
        [status, *outputs],
        preprocess=False,
        trigger_mode="always_last" if latest else "once",
        show_progress="full" if progress else "hidden",
        show_progress_on=progress,
        api_visibility="private",  # the page's own: no address for programs
    )
