"""What a Recognizer answers: small frozen records, `dataclasses.asdict` makes them JSON."""

from __future__ import annotations

from dataclasses import dataclass

from facenet.types import Face, Match


@dataclass(frozen=True, slots=True)
class Decision:
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
class Enrolment:
    """What an enrolment did: samples added now, and samples the identity has in all."""

    identity: str
    added: int
    samples: int


@dataclass(frozen=True, slots=True, eq=False)
class FaceMatches:
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
