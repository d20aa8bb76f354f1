"""The faces by which an exported file is compared with its model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facenet.data import IdentityFolder, Sample, split_identities
from facenet.data.folder import read_crop
from facenet.drawn_faces import draw_face
from facenet.evaluation.pairs import Indices
from facenet.text import count

if TYPE_CHECKING:
    from facenet.types import Bars, Image


CALIBRATION_IMAGES = 256
"""At most so many images are calibrated on: ranges of activations hardly grow with more."""
_MEASURED_SHARE = 0.75
_DRAWN_PEOPLE, _DRAWN_EACH = 16, 4


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """(N, S, S, 3) uint8 `crops` of people, (N,) int `identity`; `source` says what they are."""

    crops: Image
    identity: Indices
    source: str

    def __len__(self) -> int:
        return len(self.crops)


def drawn_faces(image_size: int) -> Faces:
    """64 faces that facenet draws: enough to see whether a file computes the same."""
    people = np.repeat(np.arange(_DRAWN_PEOPLE), _DRAWN_EACH)
    crops = [
        np.asarray(draw_face(person, sample, size=image_size))
        for person in range(_DRAWN_PEOPLE)
        for sample in range(_DRAWN_EACH)
    ]
    return Faces(np.stack(crops), people, f"{len(crops)} drawn faces")


def all_faces(folder: IdentityFolder, image_size: int, progress: Bars) -> Faces:
    """Every image of a folder of identities; raises `ImageError` when one went bad meanwhile."""
    return _faces(folder, folder.samples, image_size, progress)


def calibration_and_measured(
    folder: IdentityFolder, image_size: int, progress: Bars
) -> tuple[Faces, Faces]:
    """Up to `CALIBRATION_IMAGES` images of a quarter of the people, and every image of the others.

    Raises `DataError` for fewer than four people.
    """
    names = split_identities(folder.identities, _MEASURED_SHARE, seed=0)
    calibration, measured = (folder.of(some) for some in names)
    every = math.ceil(len(calibration) / CALIBRATION_IMAGES)
    return (
        _faces(folder, calibration[::every], image_size, progress),
        _faces(folder, measured, image_size, progress),
    )


def _faces(
    folder: IdentityFolder, samples: Sequence[Sample], image_size: int, progress: Bars
) -> Faces:
    crops = np.empty((len(samples), image_size, image_size, 3), np.uint8)
    with progress("reading faces") as update:
        for place, sample in enumerate(samples):
            crops[place] = read_crop(sample.path, image_size)
            update(place + 1, len(samples))
    people, identity = np.unique([sample.identity for sample in samples], return_inverse=True)
    counted = f"{count(len(samples), 'image')} of {count(len(people), 'identity', 'identities')}"
    return Faces(crops, identity, f"{counted} of {folder.root}")
