"""Query figures as pictures: a row for each network, hits and misses framed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from facenet.benchmark.queries import Panel, Query, Row
from facenet.errors import ImageError
from facenet.evaluation.wording import percent
from facenet.imaging import centre_square, open_photo
from facenet.imaging.drawing import KNOWN, UNKNOWN, lettering, printable

if TYPE_CHECKING:
    from facenet.types import Image

    Pictures = Callable[[Path], PillowImage.Image | None]

TILE, FRAME = 96, 4
"""Pixels of a picture's side, and of the frame around it."""
_GAP, _MARGIN, _NAMES = 10, 16, 240
_LINE_LENGTH, _LINES = 26, 4
"""Of a name, which is broken anywhere: many end alike, and differ in the middle."""
_TEXT, _TITLE, _LINE = 14, 18, 20
_STEP = TILE + 2 * FRAME + _GAP
_ROW = _STEP + _LINE
_HEADING = _LINE + _GAP
_INK, _SOFT, _PAPER, _EMPTY = "#1c1e21", "#5f6773", "white", "#dfe2e6"
_FRAMES = {True: KNOWN, False: UNKNOWN, None: _PAPER}
_MARKS = {True: "✓ ", False: "✗ ", None: ""}
_LEGEND = "blue, ✓: the person of the query; amber, ✗: another one"


def draw_panels(panels: Sequence[Panel]) -> Iterator[Image]:
    """Each panel as (H, W, 3) uint8 RGB on white. A picture that can no longer be read is an empty
    tile that says so."""

    @cache
    def picture(path: Path) -> PillowImage.Image | None:
        try:
            return PillowImage.fromarray(centre_square(open_photo(path), TILE))
        except ImageError:
            return None

    for panel in panels:
        yield np.asarray(_Sheet(panel, picture).paper)


class _Sheet:
    """A panel, drawn from top to bottom."""

    def __init__(self, panel: Panel, picture: Pictures) -> None:
        rows = [row for _, rows in panel.searches for row in rows]
        across = 1 + max((len(row.found) for row in rows), default=0)
        width = 2 * _MARGIN + _NAMES + across * _STEP + _GAP
        height = 2 * _MARGIN + len(panel.searches) * _HEADING + len(rows) * _ROW + 2 * _HEADING
        self.paper = PillowImage.new("RGB", (width, height), _PAPER)
        self._pen, self._picture = ImageDraw.Draw(self.paper), picture
        self._write(_MARGIN, _MARGIN, panel.title, size=_TITLE)
        self._write(_MARGIN, _MARGIN + _HEADING, _LEGEND, _SOFT)
        top = _MARGIN + 2 * _HEADING
        for number, (query, found) in enumerate(panel.searches, start=1):
            self._write(_MARGIN, top, _heading(number, query))
            top += _HEADING
            for row in found:
                self._row(top, query, row)
                top += _ROW

    def _row(self, top: int, query: Query, row: Row) -> None:
        accuracy = "" if row.accuracy.value is None else f"accuracy {percent(row.accuracy.value)}"
        lines = wrap(printable(row.name), _LINE_LENGTH, max_lines=_LINES, placeholder="…")
        self._write(_MARGIN, top, "\n".join([*lines, accuracy]))
        left = _MARGIN + _NAMES
        self._tile(left, top, query.path, _PAPER, "query")
        for found in row.found:
            left += _STEP + (_GAP if left == _MARGIN + _NAMES else 0)
            note = f"{_MARKS[found.hit]}{found.similarity:.2f}"
            self._tile(left, top, found.path, _FRAMES[found.hit], note)

    def _tile(self, left: int, top: int, path: Path, frame: str, note: str) -> None:
        """A picture in its frame, and what is written under it."""
        end = TILE + 2 * FRAME - 1
        self._pen.rectangle((left, top, left + end, top + end), fill=frame)
        picture = self._picture(path)
        place = left + FRAME, top + FRAME
        if picture is not None:
            self.paper.paste(picture, place)
        else:
            self.paper.paste(_EMPTY, (*place, place[0] + TILE, place[1] + TILE))
            self._write(place[0] + 6, place[1] + 6, "cannot\nbe read", _SOFT)
        self._write(left + FRAME, top + end + 2, note, _SOFT)

    def _write(self, x: int, y: int, text: str, ink: str = _INK, size: int = _TEXT) -> None:
        self._pen.multiline_text((x, y), text, fill=ink, font=lettering(size), spacing=3)


def _heading(number: int, query: Query) -> str:
    name = printable(f"{query.path.parent.name}/{query.path.name}")
    return f"Query {number}: {name}" + ("" if query.person else ", of a person who is not known")
