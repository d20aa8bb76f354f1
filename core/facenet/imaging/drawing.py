"""Boxes and names on photos. Needs the extra `figures`, whose libraries are imported when used."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import ImageFont

from facenet.types import Face

if TYPE_CHECKING:
    from facenet.types import Image

KNOWN, UNKNOWN = "#0b57a4", "#ffb000"
"""Dark blue and light amber: told apart by colour-blind readers, and in print without colours."""
_ON_UNKNOWN, _ON_KNOWN = "#000000", "#ffffff"
"""What is written on them, and drawn around them."""
_SMALLEST_TEXT, _LARGEST_TEXT = 12, 26
"""Pixels; the largest for each 1000 pixels of the photo's shorter side."""
_TEXTS_ACROSS_FACE, _DOTS_ACROSS_FACE = 6, 40
_LONGEST_LABEL = 20
"""In multiples of the text's size."""


def draw_faces(
    pixels: Image, faces: Sequence[Face], labels: Sequence[str], known: Sequence[bool]
) -> Image:
    """A copy of an (H, W, 3) uint8 RGB photo with box, label and landmarks of each face.

    `known` chooses the colour of each: `KNOWN` or `UNKNOWN`. Labels stay inside the photo and are
    shortened in their middle where they are too long; their font is DejaVu Sans.
    """
    if not faces:
        return pixels.copy()
    import supervision as sv

    height, width = pixels.shape[:2]
    corners = np.array([face.box for face in faces])
    # Less than what suits the photo where its faces are small, as in a crowd.
    across = float(np.median(corners[:, 2] - corners[:, 0]))
    thickness = sv.calculate_optimal_line_thickness((width, height))
    largest = _LARGEST_TEXT * sv.calculate_optimal_text_scale((width, height))
    text_size = round(max(min(across / _TEXTS_ACROSS_FACE, largest), _SMALLEST_TEXT))
    radius = round(max(min(across / _DOTS_ACROSS_FACE, thickness), 1))
    brushes = _brushes(thickness, radius, text_size)
    inside = corners.clip(0, (width - 1, height - 1) * 2)
    boxes = sv.Detections(inside, class_id=np.array(known, int))
    room = min(width - 2 * _padding(text_size), _LONGEST_LABEL * text_size)
    texts = [shortened(printable(label), lettering(text_size), room) for label in labels]
    points = [face.landmarks for face in faces if face.landmarks is not None]
    scene = pixels.copy()
    for line in brushes.lines:
        scene = line.annotate(scene, boxes)
    if points:
        for dot in brushes.dots:
            scene = dot.annotate(scene, sv.KeyPoints(np.stack(points)))
    drawn: Image = brushes.label.annotate(scene, boxes, texts)
    return drawn


def printable(text: str) -> str:
    """One line of visible characters: layout engines fail on others, and some turn text round."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def shortened(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    """Printable text, or its beginning, an ellipsis and its end, in at most `room` pixels.

    What stands at the end of a label is often what tells two of them apart, a similarity say.
    """
    if font.getlength(text) <= room:
        return text
    end = text[-5:]
    for kept in range(len(text) - len(end), 0, -1):
        shorter = f"{text[:kept].rstrip()}…{end}"
        if font.getlength(shorter) <= room:
            return shorter
    return "…"


@lru_cache
def lettering(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which has many scripts; it comes with matplotlib."""
    return ImageFont.truetype(_font_file(), size)


class _Brushes(NamedTuple):
    lines: tuple[Any, ...]
    dots: tuple[Any, ...]
    label: Any


@lru_cache
def _brushes(thickness: int, radius: int, text_size: int) -> _Brushes:
    """What draws lines, dots and text of these pixels; kept, because each frame of a video needs
    the same. Lines and dots are drawn twice, wider and in a contrasting colour first."""
    import supervision as sv

    colours, contrasts = _palette(UNKNOWN, KNOWN), _palette(_ON_UNKNOWN, _ON_KNOWN)
    return _Brushes(
        lines=(
            sv.BoxAnnotator(contrasts, thickness=thickness + 2),
            sv.BoxAnnotator(colours, thickness=thickness),
        ),
        dots=(
            sv.VertexAnnotator(sv.Color.BLACK, radius=radius + 1),
            sv.VertexAnnotator(sv.Color.WHITE, radius=radius),
        ),
        label=sv.RichLabelAnnotator(
            colours,
            text_color=contrasts,
            font_path=_font_file(),
            font_size=text_size,
            text_padding=_padding(text_size),
            smart_position=True,
        ),
    )


def _palette(*colours: str) -> Any:
    """Colours with red and blue exchanged, because the library takes RGB pixels for BGR: that
    spares each frame two exchanges of its own."""
    import supervision as sv

    exact = [sv.Color.from_hex(colour) for colour in colours]
    return sv.ColorPalette([sv.Color(r=colour.b, g=colour.g, b=colour.r) for colour in exact])


def _padding(text_size: int) -> int:
    return max(2, text_size // 4)


def _font_file() -> str:
    from matplotlib import get_data_path

    return str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))
