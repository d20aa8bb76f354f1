"""What a Recognizer answers: small frozen records that print well and become JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from facenet.records import Record
from facenet.stores import Match
from facenet.types import Face


@dataclass(frozen=True, slots=True)
class Decision(Record):
    """Whether two faces are one person's: `match` is `similarity >= threshold`.

    `threshold_origin` says where the threshold comes from: given, configured, or calibrated on
    what data for what FAR. `probability` is that of a match, in 0..1, where both answers are as
    frequent; None where the model has no map for it.
    """

    similarity: float
    threshold: float
    match: bool
    threshold_origin: str
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Enrolment(Record):
    """What an enrolment did: samples added now, samples the identity has in all, and one line for
    each face that was left out."""

    identity: str
    added: int
    samples: int
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FaceMatches(Record):
    """One face of a searched photo and the identities most like it, best first.

    `threshold` is the similarity from which the best of them is taken for the person, and
    `threshold_origin` says where it comes from; None: it is not known, and no one is named.
    """

    face: Face
    matches: tuple[Match, ...]
    threshold: float | None
    threshold_origin: str

    @property
    def identity(self) -> str | None:
        """Who it is: the best match at or above the threshold; None: no one, or not decided."""
        if self.threshold is None or not self.matches:
            return None
        best = self.matches[0]
        return best.identity if best.similarity >= self.threshold else None

    def to_dict(self) -> dict[str, Any]:
        """The fields as values that JSON has, and `identity` first."""
        # Not super(): dataclasses with slots are made anew, and super() knows the first one.
        return {"identity": self.identity, **Record.to_dict(self)}

    def __repr__(self) -> str:
        best = ", ".join(f"{match.identity} {match.similarity:.3f}" for match in self.matches[:3])
        more = ", ..." if len(self.matches) > 3 else ""
        return f"FaceMatches(identity={self.identity!r}, matches=[{best}{more}], {self.face!r})"
