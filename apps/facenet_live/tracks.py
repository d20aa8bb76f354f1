"""Which face of one picture is which of the next, and where faces are between detections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import supervision as sv
from trackers import ByteTrackTracker

from facenet.types import Face

if TYPE_CHECKING:
    from numpy.typing import NDArray

STARTS_TRACK = 0.6
"""The detector's score that a face needs to be followed; a weaker one only continues a track."""
GIVEN_UP = 2.0
"""Seconds after which a face that is not found any more has left."""
_BUFFERED_PER_SECOND = 30
"""What the tracker counts this time in."""


@dataclass(eq=False)
class Track:
    """One face that is followed: as it was last detected, `seconds` into the video."""

    number: int
    face: Face
    seconds: float
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))
    """Pixels per second of x1, y1, x2 and y2 of its box."""
    missed: int = 0
    """Detections since then that did not find it."""

    def found(self, face: Face, seconds: float) -> None:
        """The face was detected again, later."""
        self.velocity = np.subtract(face.box, self.face.box) / (seconds - self.seconds)
        self.face, self.seconds, self.missed = face, seconds, 0

    def at(self, seconds: float) -> Face:
        """The face at constant velocity; without landmarks, which would be in the way."""
        left, top, right, bottom = self.face.box + self.velocity * (seconds - self.seconds)
        return replace(self.face, box=(left, top, right, bottom), landmarks=None)


class Tracks:
    """The faces of a video, followed by ByteTrack (Zhang et al., ECCV 2022).

    A face is followed from its second detection on, until it has not been found for `GIVEN_UP`.
    """

    def __init__(self) -> None:
        self._tracker = ByteTrackTracker(
            lost_track_buffer=round(GIVEN_UP * _BUFFERED_PER_SECOND),
            track_activation_threshold=STARTS_TRACK,
            high_conf_det_threshold=STARTS_TRACK,
        )
        self._tracks: dict[int, Track] = {}

    def update(self, faces: Sequence[Face], seconds: float) -> list[Track]:
        """All tracks after the detection of `faces`, which was later than the one before."""
        detections = sv.Detections(
            np.array([face.box for face in faces], float).reshape(-1, 4),
            confidence=np.array([face.score for face in faces], float),
            class_id=np.arange(len(faces)),  # their order changes
        )
        followed: Any = self._tracker.update(detections, timestamp=seconds)
        alive = {tracklet.tracker_id for tracklet in self._tracker.tracks}
        self._tracks = {n: track for n, track in self._tracks.items() if n in alive}
        for track in self._tracks.values():
            track.missed += 1
        for number, index in zip(followed.tracker_id, followed.class_id, strict=True):
            if number in self._tracks:
                self._tracks[number].found(faces[index], seconds)
            elif number >= 0:
                self._tracks[int(number)] = Track(int(number), faces[index], seconds)
        return list(self._tracks.values())
