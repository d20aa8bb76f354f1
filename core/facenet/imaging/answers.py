"""Answers as pictures to look at: one photo with its faces, or two photos that were compared."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from facenet.errors import RequestError
from facenet.imaging.drawing import KNOWN, UNKNOWN, draw_faces, lettering, printable, shortened
from facenet.imaging.photo import Photo
from facenet.paths import checked_output_file, write_whole
from facenet.types import Face

if TYPE_CHECKING:
    from facenet.types import Image

SMALLEST, LARGEST = 640, 1600
"""Pixels of the longer side of a photo in a figure."""
PAIR_WIDTH, _PAIR_HEIGHT = 1200, 800
"""Pixels of a comparison's width, and at most of the height of its photos."""
_CROP, _MARGIN, _GAP, _BAR, _TEXT, _SPACING = 160, 24, 12, 8, 22, 4
_INK, _PAPER = "black", "white"
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


class Compared(NamedTuple):
    """One side of a comparison: the photo, its face, and that face as the network sees it,
    (S, S, 3) uint8 RGB."""

    photo: Photo
    face: Face
    crop: Image


def draw_photo(
    photo: Photo, faces: Sequence[Face], labels: Sequence[str], known: Sequence[bool]
) -> Image:
    """A photo with its faces as `draw_faces` draws them, in a size to look at: enlarged to 640
    pixels on its longer side where it has less, reduced to 1600 where it has more."""
    longest = max(photo.size)
    scale = min(max(longest, SMALLEST), LARGEST) / longest
    return _drawn(photo, scale, faces, labels, known)


def draw_pair(first: Compared, second: Compared, caption: str, *, match: bool) -> Image:
    """Two photos side by side with the face of each; below them both faces as the network sees
    them, and the caption. (H, 1200, 3) uint8 RGB on white; `match` chooses the colour."""
    photos = _row(_equally_high((first, second), match))
    crops = _row([_resized(side.crop, _CROP, _CROP) for side in (first, second)])
    bar = _MARGIN + crops.width + _GAP
    beside = bar + _BAR + _GAP
    font = lettering(_TEXT)
    text = wrapped(caption, font, PAIR_WIDTH - _MARGIN - beside)
    text_height = (sum(font.getmetrics()) + _SPACING) * (text.count("\n") + 1)
    top, below = photos.height + 2 * _MARGIN, max(_CROP, text_height)
    canvas = PillowImage.new("RGB", (PAIR_WIDTH, top + below + _MARGIN), _PAPER)
    canvas.paste(photos, ((PAIR_WIDTH - photos.width) // 2, _MARGIN))
    canvas.paste(crops, (_MARGIN, top))
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((bar, top, bar + _BAR - 1, top + below - 1), fill=KNOWN if match else UNKNOWN)
    place = beside, top + (below - text_height) / 2
    pen.multiline_text(place, text, fill=_INK, font=font, spacing=_SPACING)
    return np.asarray(canvas)


def wrapped(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    """The text in lines of at most `room` pixels, broken between words; a longer word is
    shortened. Its own line breaks stay."""
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in printable(paragraph).split():
            longer = f"{line} {word}" if line else word
            if line and font.getlength(longer) > room:
                lines.append(line)
                longer = word
            line = shortened(longer, font, room)
        lines.append(line)
    return "\n".join(lines)


def checked_figure_file(path: Path, *photos: Path) -> Path:
    """A path at which a figure can be written: .png, .jpg or .jpeg, and none of the photos.

    Raises `RequestError` otherwise.
    """
    if path.suffix.lower() not in _FORMATS:
        raise RequestError(f"{path}: a figure must end in .png, .jpg or .jpeg")
    if any(path.exists() and photo.exists() and path.samefile(photo) for photo in photos):
        raise RequestError(f"{path}: is the photo itself; name another file for the figure")
    return checked_output_file(path)


def write_figure(path: Path, pixels: Image) -> None:
    """Write (H, W, 3) uint8 RGB pixels in the format that the path's ending names, whole or not
    at all; raises `FacenetError` when they cannot be written."""
    encoded = io.BytesIO()
    kind = _FORMATS[path.suffix.lower()]
    PillowImage.fromarray(pixels).save(encoded, kind, optimize=True, quality=90)
    write_whole(path, encoded.getvalue())


def _equally_high(sides: Sequence[Compared], match: bool) -> list[Image]:
    """Their photos as high as the width of the figure allows, with the face of each."""
    across = PAIR_WIDTH - 2 * _MARGIN - _GAP
    ratios = [side.photo.size[0] / side.photo.size[1] for side in sides]
    height = min(across / sum(ratios), _PAIR_HEIGHT)
    return [
        _drawn(photo, height / photo.size[1], [face], [Path(photo.name).name], [match])
        for photo, face, _ in sides
    ]


def _drawn(
    photo: Photo, scale: float, faces: Sequence[Face], labels: Sequence[str], known: Sequence[bool]
) -> Image:
    """The photo at a scale, which may be above 1, with its faces."""
    width, height = (max(1, round(side * scale)) for side in photo.size)
    pixels = _resized(photo.within(max(width, height)).pixels, width, height)
    scales = width / photo.size[0], height / photo.size[1]
    return draw_faces(pixels, [_scaled(face, *scales) for face in faces], labels, known)


def _scaled(face: Face, scale_x: float, scale_y: float) -> Face:
    left, top, right, bottom = face.box
    points = None
    if face.landmarks is not None:
        points = face.landmarks * np.array([scale_x, scale_y], np.float32)
    box = left * scale_x, top * scale_y, right * scale_x, bottom * scale_y
    return replace(face, box=box, landmarks=points)


def _resized(pixels: Image, width: int, height: int) -> Image:
    return np.asarray(PillowImage.fromarray(pixels).resize((width, height)))


def _row(images: Sequence[Image]) -> PillowImage.Image:
    """Images side by side, with gaps."""
    width = sum(image.shape[1] for image in images) + _GAP * (len(images) - 1)
    row = PillowImage.new("RGB", (width, max(image.shape[0] for image in images)), _PAPER)
    left = 0
    for image in images:
        row.paste(PillowImage.fromarray(image), (left, 0))
        left += image.shape[1] + _GAP
    return row
