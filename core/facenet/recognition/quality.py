"""Whether a photo is good enough to stand for a person, and why not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from facenet.recognition.cropping import Crop
from facenet.records import Record

if TYPE_CHECKING:
    from facenet.types import Image, Vector

Policy = Literal["off", "standard", "strict"]
Code = Literal[
    "small_face", "blurred", "turned", "tilted", "low_score", "several_faces", "possible_mix_up"
]


@dataclass(frozen=True, slots=True)
class Reason(Record):
    """Why a photo should not be enrolled: a code for programs, a text for people."""

    code: Code
    text: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What a policy asks of a face: its smaller side in pixels of the photo, its sharpness, how
    far it may be turned, in degrees, and the detector's score."""

    side: float
    sharpness: float
    yaw: float
    pitch: float
    score: float
    alone: bool


LIMITS = {
    "standard": Limits(side=40, sharpness=8, yaw=45, pitch=35, score=0.6, alone=False),
    "strict": Limits(side=80, sharpness=40, yaw=25, pitch=20, score=0.8, alone=True),
}
"""Set on photos of LFW with faces found by YuNet: `standard` takes nearly all of them, and refuses
nearly all after a Gaussian blur of 3 pixels; `strict` wants what a desk can ask visitors for."""


@dataclass(frozen=True, slots=True)
class Quality(Record):
    """What can be said of a face without a network.

    `side` is the smaller side of its box in pixels of the photo. `sharpness` is the variance of the
    Laplacian of the aligned crop's grey values, 0..255 (Pech-Pacheco et al., ICPR 2000). `yaw`
    (positive: to the left of the image) and `pitch` (positive: down) are rough angles in degrees
    from five landmarks; None without.
    """

    side: float
    sharpness: float
    yaw: float | None
    pitch: float | None
    score: float
    faces: int

    @property
    def weight(self) -> float:
        """How much the face should count in a template, in (0, 1]: 1 where `strict` is met, less by
        each share that is missing."""
        limits = LIMITS["strict"]
        shares = [self.side / limits.side, self.sharpness / limits.sharpness]
        for angle, limit in ((self.yaw, limits.yaw), (self.pitch, limits.pitch)):
            shares.append(limit / max(abs(angle or 0), limit))
        return float(max(math.prod(min(share, 1.0) for share in shares), SMALLEST_WEIGHT))


SMALLEST_WEIGHT = 0.05
"""No sample that was accepted is without a say."""
_NOSE_DEPTH = 0.45
"""How far the tip of the nose lies before the eyes, in distances between the eyes: rough."""
_NOSE_HEIGHT = 0.56
"""Where the nose lies between eyes (0) and mouth (1) in a frontal face: the median on LFW."""


def quality_of(crop: Crop) -> Quality:
    """Measure one aligned face."""
    left, top, right, bottom = crop.face.box
    yaw, pitch = (None, None) if crop.face.landmarks is None else _pose(crop.face.landmarks)
    return Quality(
        side=min(right - left, bottom - top),
        sharpness=_sharpness(crop.pixels),
        yaw=yaw,
        pitch=pitch,
        score=crop.face.score,
        faces=crop.faces,
    )


def reasons_against(quality: Quality, policy: Policy) -> list[Reason]:
    """Why the policy refuses a face; empty when it takes it."""
    return [] if policy == "off" else list(_reasons(quality, LIMITS[policy]))


def _reasons(quality: Quality, limits: Limits) -> Iterator[Reason]:
    if quality.side < limits.side:
        yield Reason(
            "small_face",
            f"the face is {quality.side:.0f} pixels wide or high, {limits.side:.0f} are wanted",
        )
    if quality.sharpness < limits.sharpness:
        yield Reason(
            "blurred",
            f"the face is blurred (sharpness {quality.sharpness:.1f}, "
            f"{limits.sharpness:.0f} is wanted)",
        )
    if quality.yaw is not None and abs(quality.yaw) > limits.yaw:
        yield Reason(
            "turned",
            f"the face is turned aside by about {abs(quality.yaw):.0f} degrees, "
            f"at most {limits.yaw:.0f} are wanted",
        )
    if quality.pitch is not None and abs(quality.pitch) > limits.pitch:
        yield Reason(
            "tilted",
            f"the face looks up or down by about {abs(quality.pitch):.0f} degrees, "
            f"at most {limits.pitch:.0f} are wanted",
        )
    if quality.score < limits.score:
        yield Reason(
            "low_score",
            f"the detector's score is {quality.score:.2f}, {limits.score:g} is wanted",
        )
    if limits.alone and quality.faces > 1:
        yield Reason("several_faces", f"{quality.faces} faces are in the photo, one is wanted")


def _sharpness(pixels: Image) -> float:
    grey = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    middle = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((4 * middle - around).var())


def _pose(landmarks: Vector) -> tuple[float, float]:
    """(yaw, pitch) in degrees, from where the nose lies between eyes and mouth."""
    right_eye, left_eye, nose, right_mouth, left_mouth = landmarks.astype(float)
    eyes, mouth = (right_eye + left_eye) / 2, (right_mouth + left_mouth) / 2
    apart = float(np.linalg.norm(left_eye - right_eye))
    if not apart:
        return 90.0, 0.0
    along = (left_eye - right_eye) / apart
    down = np.array([-along[1], along[0]])
    length = float((mouth - eyes) @ down)
    if length <= 0:
        return 0.0, 90.0
    aside = float((nose - eyes) @ along) / apart
    height = float((nose - eyes) @ down) / length
    yaw = math.degrees(math.atan(-aside / _NOSE_DEPTH))
    return yaw, math.degrees(math.atan((height - _NOSE_HEIGHT) / _NOSE_DEPTH))
