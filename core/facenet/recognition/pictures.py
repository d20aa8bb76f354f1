"""What a Recognizer answers, as pictures and in the words that stand on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from facenet.imaging import Photo
from facenet.imaging.answers import Compared, draw_pair, draw_photo
from facenet.recognition.cropping import Cropper
from facenet.recognition.results import Decision, FaceMatches

if TYPE_CHECKING:
    from facenet.stores import Match
    from facenet.types import Image


def who(result: FaceMatches) -> str:
    """'Ann', or 'unknown'; without a threshold to decide with, 'Ann?' for the most similar."""
    best = _named(result)
    if best is None:
        return "unknown"
    return best.identity if result.identity else f"{best.identity}?"


def label(result: FaceMatches) -> str:
    """Who it is and how similar: 'Ann 0.71', 'Ann? 0.71', or 'unknown'."""
    best = _named(result)
    return who(result) if best is None else f"{who(result)} {best.similarity:.2f}"


def verdict(decision: Decision) -> str:
    """The decision in a line, with its threshold and where that comes from; a second line gives
    the probability where there is one."""
    word, relation = ("match", ">=") if decision.match else ("no match", "<")
    line = (
        f"{word}: similarity {decision.similarity:.4f} {relation} threshold "
        f"{decision.threshold:.4f} ({decision.threshold_origin})"
    )
    if decision.probability is None:
        return line
    return f"{line}\nprobability {decision.probability:.4f} where both answers are as frequent"


def picture_of_search(photo: Photo, results: Sequence[FaceMatches]) -> Image:
    """A searched photo with each face's box and `label`, (H, W, 3) uint8 RGB, at most 1600 pixels
    on its longer side. Needs the extra `figures`."""
    return draw_photo(
        photo,
        [result.face for result in results],
        [label(result) for result in results],
        [result.identity is not None for result in results],
    )


def picture_of_verification(
    cropper: Cropper, photo_a: Photo, photo_b: Photo, decision: Decision
) -> Image:
    """Two compared photos with the face of each that was compared, both faces as the network sees
    them, and the `verdict`; (H, 1200, 3) uint8 RGB. Needs the extra `figures`."""
    first, second = (_compared(cropper, photo) for photo in (photo_a, photo_b))
    return draw_pair(first, second, verdict(decision), match=decision.match)


def _named(result: FaceMatches) -> Match | None:
    """The match whose name a face gets, for sure or in doubt."""
    if result.matches and (result.identity or result.threshold is None):
        return result.matches[0]
    return None


def _compared(cropper: Cropper, photo: Photo) -> Compared:
    crop = cropper.best_crop(photo)
    return Compared(photo, crop.face, crop.pixels)
