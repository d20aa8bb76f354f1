"""A sample of many faces on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

if TYPE_CHECKING:
    from facenet.types import Image

FACE, GAP, LABEL = 96, 6, 180
"""Pixels of a face's side, between faces, and for the names on the left."""
_INK, _PAPER, _FONT_SIZE = "black", "white", 15


def contact_sheet(rows: Mapping[str, Sequence[Image]]) -> PillowImage.Image:
    """One row for each name, with the name and then its faces, (S, S, 3) uint8 RGB.

    Names that are too long for their place are cut.
    """
    columns = max((len(faces) for faces in rows.values()), default=0)
    step = FACE + GAP
    sheet = PillowImage.new("RGB", (LABEL + columns * step + GAP, len(rows) * step + GAP), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT_SIZE)
    for row, (name, faces) in enumerate(rows.items()):
        top = GAP + row * step
        middle = GAP, top + FACE / 2
        draw.text(middle, _fitting(name, font), fill=_INK, font=font, anchor="lm")
        for column, pixels in enumerate(faces):
            face = PillowImage.fromarray(pixels)
            place = LABEL + column * step, top
            sheet.paste(face.resize((FACE, FACE), PillowImage.Resampling.LANCZOS), place)
    return sheet


def _fitting(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The name, or as much of its beginning as has room."""
    room = LABEL - 2 * GAP
    if font.getlength(name) <= room:
        return name
    while name and font.getlength(f"{name}…") > room:
        name = name[:-1]
    return f"{name}…"
