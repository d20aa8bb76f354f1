"""The page: its tabs, and how it looks."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from facenet.imaging.drawing import KNOWN, UNKNOWN
from facenet.recognition import Recognizer
from facenet_studio.gallery import gallery_tab
from facenet_studio.html import show
from facenet_studio.register import register_tab
from facenet_studio.report import report_tab
from facenet_studio.search import search_tab
from facenet_studio.uploads import Page
from facenet_studio.verify import verify_tab

STYLE = Path(__file__).with_name("page.css")
DANGER = "#c62828"
HOUR = 3600
"""Seconds."""


def make_page(recognizer: Recognizer, report: Path | None) -> Page:
    """The page over a recognizer; it holds no state of its own beyond each visitor's session.

    `report` is the evaluation to show, see `find_report`.
    """
    page = Page(title="facenet studio", analytics_enabled=False, delete_cache=(HOUR, HOUR))
    with page:
        gr.HTML(show("header", whole=recognizer.config.detector.plugin == "whole_image"))
        with gr.Tabs():
            register_tab(recognizer)
            verify_tab(recognizer)
            search_tab(recognizer)
            gallery_tab(recognizer)
            report_tab(recognizer, report)
    page.queue(api_open=False, default_concurrency_limit=max(recognizer.config.num_workers, 1))
    return page


def theme() -> gr.themes.Base:
    """The colours of the house and the visitor's own fonts: nothing is loaded from elsewhere."""
    return gr.themes.Base(
        primary_hue="blue",
        neutral_hue="slate",
        radius_size="lg",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        button_primary_background_fill=KNOWN,
        button_primary_background_fill_hover="*primary_700",
        button_primary_text_color="white",
        button_cancel_background_fill=DANGER,
        button_cancel_background_fill_hover=DANGER,
        button_cancel_text_color="white",
        slider_color=KNOWN,
        block_shadow="none",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
    )


def colours() -> str:
    """The colours that the stylesheet has names for."""
    return (
        f":root {{ --known: {KNOWN}; --unknown: {UNKNOWN}; --danger: {DANGER}; }}"
        "@media (prefers-color-scheme: dark) {"
        f":root {{ --known: color-mix(in srgb, {KNOWN}, white 40%); }} }}"
    )
