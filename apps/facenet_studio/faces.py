"""Faces of photos that were sent to register a person, and what speaks against each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from facenet.errors import ImageError
from facenet.imaging import Photo
from facenet.imaging.answers import draw_photo
from facenet.pages.page import data_address
from facenet.recognition import Enrolment, Recognizer
from facenet.recognition.cropping import Crop
from facenet.recognition.quality import Reason, quality_of, reasons_against
from facenet.text import count
from facenet_studio.html import notice
from facenet_studio.uploads import File, opened


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A face: its number on the page, the place of its photo among those that were sent, and why
    it would not be enrolled."""

    number: int
    photo: int
    crop: Crop
    reasons: list[Reason]


def find_faces(
    recognizer: Recognizer, files: Sequence[File]
) -> tuple[list[Found], list[dict[str, Any]], list[str]]:
    """All faces of some photos, the most prominent of each first; the photos as the template
    `faces` shows them; and a sentence for each photo that has none."""
    found: list[Found] = []
    shown, problems = [], []
    for place, file in enumerate(files):
        try:
            photo = opened(recognizer, file)
            crops = recognizer.pipeline.crops(photo)
            if not crops:
                raise ImageError(f"{photo.name}: no face found")
        except ImageError as error:
            problems.append(f"{error}.")
            continue
        first = len(found) + 1
        faces = [
            Found(number, place, crop, reasons_against(quality_of(crop), recognizer.config.quality))
            for number, crop in enumerate(crops, first)
        ]
        found += faces
        shown.append(_shown(photo, faces))
    return found, shown, problems


def most_prominent(found: Sequence[Found]) -> list[int]:
    """The number of the first face of each photo."""
    return one_of_each(found, [face.number for face in reversed(found)])


def one_of_each(found: Sequence[Found], numbers: Sequence[int]) -> list[int]:
    """Of several faces chosen in one photo the last: nobody is on a photo twice."""
    photo_of = {face.number: face.photo for face in found}
    return sorted({photo_of[number]: number for number in numbers}.values())


def doubts(recognizer: Recognizer, identity: str, faces: Sequence[Found]) -> Iterator[str]:
    """A sentence for each thing to think of before faces are enrolled as an identity."""
    if held := recognizer.store.get(identity):
        yield (
            f"{identity} is registered already, with {count(held.samples, 'sample')}: these faces "
            "would be added to them."
        )
    results = recognizer.search_crops([face.crop for face in faces], top_k=1)
    for face, result in zip(faces, results, strict=True):
        if result.identity not in (None, identity):
            yield (
                f"Face {face.number} looks like {result.identity}, who is registered already: "
                f"similarity {result.matches[0].similarity:.2f}, threshold {result.threshold:.2f}. "
                f"Go on only if {result.identity} is someone else."
            )


def said_of(enrolment: Enrolment) -> str:
    """What an enrolment did, as a notice."""
    name, added = enrolment.identity, count(enrolment.added, "sample")
    refused = [f"Left out: {line}." for line in enrolment.refused]
    if enrolment.added:
        done = f"{name} is registered: {added} added, {enrolment.samples} in all."
        return notice("done", done, *refused)
    if refused:
        return notice("problem", f"Nothing was added to {name}.", *refused)
    return notice("note", f"Nothing was added: {name} has these faces already.")


def _shown(photo: Photo, faces: Sequence[Found]) -> dict[str, Any]:
    drawn = draw_photo(
        photo,
        [face.crop.face for face in faces],
        [str(face.number) for face in faces],
        [not face.reasons for face in faces],
    )
    return {
        "name": photo.name,
        "picture": data_address(drawn),
        "faces": [
            {
                "number": face.number,
                "picture": data_address(face.crop.pixels),
                "reasons": [reason.text for reason in face.reasons],
            }
            for face in faces
        ],
    }
