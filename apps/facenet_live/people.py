"""What is known of each face that is followed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from facenet.recognition import FaceMatches
from facenet.recognition.pictures import label, who
from facenet_live.lookups import Answer
from facenet_live.names import Ballot
from facenet_live.tracks import Track

QUICK, SLOW = 0.2, 3.0
"""Seconds between look-ups while the vote is open, and once it is settled: so that a wrong name can
be mended, and someone who was enrolled meanwhile is recognised."""
NOT_YET = "who?"
"""What a face is called before anything was found out."""


@dataclass(eq=False)
class Person:
    """One followed face: where it is, what the look-ups said, and whether one is on its way."""

    track: Track
    waiting: bool = False
    _asked: float | None = None
    _ballot: Ballot = field(default_factory=Ballot)
    _results: dict[str, FaceMatches] = field(default_factory=dict)
    """The last result for each name that was ever found."""

    @property
    def name(self) -> str | None:
        """What the face is called; None: not known yet."""
        return self._ballot.name

    @property
    def known(self) -> bool:
        """Whether it is someone of the gallery, for sure."""
        return self.name is not None and self._results[self.name].identity is not None

    def label(self, similarity: bool) -> str:
        """What is written on the face."""
        if self.name is None:
            return NOT_YET
        return label(self._results[self.name]) if similarity else self.name

    def is_due(self, seconds: float) -> bool:
        """Whether the face should be looked up, `seconds` into the video."""
        if self.waiting:
            return False
        wait = SLOW if self._ballot.settled else QUICK
        return self._asked is None or seconds - self._asked >= wait

    def asked(self, seconds: float) -> None:
        """A look-up is on its way."""
        self.waiting, self._asked = True, seconds

    def answered(self, answer: Answer) -> None:
        """The look-up is back."""
        self.waiting = False
        if answer.result is not None:
            name = who(answer.result)
            self._results[name] = answer.result
            self._ballot.add(name, answer.weight)

    def conclude(self) -> None:
        """There will be no more look-ups."""
        self._ballot.close()

    def place(self) -> dict[str, Any]:
        """Which track it is and where it was seen last, for the log."""
        return {"track": self.track.number, "box": [round(side) for side in self.track.face.box]}

    def findings(self) -> dict[str, Any]:
        """Who it is, and why, for the log; all None before anything was found out."""
        result = self._results.get(self.name or "")
        matches = result.matches if result else ()
        return {
            "name": self.name,
            "identity": result.identity if result else None,
            "similarity": round(matches[0].similarity, 4) if matches else None,
            "threshold": result.threshold if result else None,
            "threshold_origin": result.threshold_origin if result else None,
            "candidates": [
                {"identity": match.identity, "similarity": round(match.similarity, 4)}
                for match in matches
            ],
        }
