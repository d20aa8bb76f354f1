"""Pieces of the page as HTML; the templates escape names and all other texts."""

from __future__ import annotations

import base64
from typing import Literal

from facenet.pages.page import render


def show(template: str, **values: object) -> str:
    """Fill in one of this package's templates, named without its ending."""
    return render(f"facenet_studio/templates/{template}.html.j2", **values)


def notice(kind: Literal["done", "note", "warning", "problem"], *sentences: str) -> str:
    """Sentences in a box whose colour says what kind they are of."""
    return show("notice", kind=kind, sentences=sentences)


NOBODY_YET = notice("note", "Nobody is registered yet: begin in the tab Register.")


def png_address(encoded: bytes) -> str:
    """A PNG file as the address of an <img>."""
    return "data:image/png;base64," + base64.b64encode(encoded).decode()
