"""Follows the faces of a video and finds out whose they are."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from facenet.imaging import Photo
from facenet.recognition import Recognizer
from facenet.types import Face
from facenet_live.events import EventLog
from facenet_live.feed import Frame
from facenet_live.lookups import Answer, Lookups
from facenet_live.people import Person
from facenet_live.tracks import Track, Tracks

if TYPE_CHECKING:
    from facenet_live import Options

LONGEST_GAP = 0.2
"""Seconds of video after which faces are looked for again, however few frames came meanwhile."""
BRIDGED = 1
"""Detections in a row that may miss a face before its box is not drawn any more."""


class Named(NamedTuple):
    """A face, what is written on it, and whether it is someone of the gallery."""

    face: Face
    label: str
    known: bool


class Watcher:
    """Sees the frames of a video in order, and logs who comes, who they are, and who leaves.

    The look-ups must be running while it does.
    """

    def __init__(
        self, recognizer: Recognizer, options: Options, lookups: Lookups, log: EventLog
    ) -> None:
        self._pipeline = recognizer.pipeline
        self._options = options
        self._lookups = lookups
        self._log = log
        self._tracks = Tracks()
        self._people: dict[int, Person] = {}
        self._present: list[Person] = []
        self._since_detection, self._detected_at = 0, -math.inf
        self.followed = 0
        """How many faces have been followed."""
        self.names: set[str] = set()
        """Who of them was who, of those that have left."""

    def see(self, frame: Frame) -> list[Named]:
        """The faces of a frame, where they are by now."""
        self._take(self._lookups.answers(), frame)
        self._since_detection += 1
        # Frames that are seen count, not those that were dropped: detection was too slow for them.
        if (
            self._since_detection >= self._options.detect_every
            or frame.seconds - self._detected_at >= LONGEST_GAP
        ):
            self._detect(frame)
        similarity = self._options.show_similarity
        return [
            Named(person.track.at(frame.seconds), person.label(similarity), person.known)
            for person in self._present
            if person.track.missed <= BRIDGED
        ]

    def finish(self, frame: Frame, patience: float) -> None:
        """`frame` was the last: all leave, once look-ups have had `patience` seconds to end."""
        deadline = time.monotonic() + patience
        while any(person.waiting for person in self._people.values()):
            if (left := deadline - time.monotonic()) <= 0:
                break
            self._take(self._lookups.answers(left), frame)
        for person in self._people.values():
            self._leave(person, frame)
        self._people, self._present = {}, []

    def _detect(self, frame: Frame) -> None:
        self._since_detection, self._detected_at = 0, frame.seconds
        photo = self._pipeline.open(frame.pixels, name=f"frame {frame.number}")
        tracks = self._tracks.update(self._pipeline.faces(photo), frame.seconds)
        self._present = [
            self._people.get(track.number) or self._appear(track, frame) for track in tracks
        ]
        self._ask(photo, frame)
        # Who waits for an answer leaves later, with a name.
        gone = [p for p in self._people.values() if p not in self._present and not p.waiting]
        for person in gone:
            self._leave(self._people.pop(person.track.number), frame)

    def _ask(self, photo: Photo, frame: Frame) -> None:
        """Who those are that were just detected and are due."""
        due = {
            person.track.number: person.track.face
            for person in self._present
            if person.track.seconds == frame.seconds and person.is_due(frame.seconds)
        }
        if due and self._lookups.ask(photo, due):
            for number in due:
                self._people[number].asked(frame.seconds)

    def _appear(self, track: Track, frame: Frame) -> Person:
        person = self._people[track.number] = Person(track)
        self.followed += 1
        self._log.add("appeared", frame.number, frame.seconds, **person.place())
        return person

    def _take(self, answers: Iterable[Answer], frame: Frame) -> None:
        for answer in answers:
            person = self._people[answer.track]
            before = person.name
            person.answered(answer)
            self._log_name(person, before, frame)

    def _leave(self, person: Person, frame: Frame) -> None:
        before = person.name
        person.conclude()
        self._log_name(person, before, frame)
        self._log.add("left", frame.number, frame.seconds, **person.place(), **person.findings())
        if person.name is not None:
            self.names.add(person.name)

    def _log_name(self, person: Person, before: str | None, frame: Frame) -> None:
        if person.name == before:
            return
        event, renamed = ("identified", {}) if before is None else ("renamed", {"before": before})
        details = {**person.place(), **renamed, **person.findings()}
        self._log.add(event, frame.number, frame.seconds, **details)
