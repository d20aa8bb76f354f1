"""What a Recognizer answers: small frozen records, `dataclasses.asdict` makes them JSON."""

from __future__ import annotations

from dataclasses import dataclass

from facenet.types import Face, Match


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether two faces are one person's: `match` is `similarity >= threshold`.

    `threshold_origin` says where the threshold comes from: given, configured, or calibrated on
    what data for what FAR.
    """

    similarity: float
    threshold: float
    match: bool
    threshold_origin: str


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an enrolment did: samples added now, and samples the identity has in all."""

    identity: str
    added: int
    samples: int


@dataclass(frozen=True, slots=True, eq=False)
class FaceMatches:
    """One face of a searched photo and the identities most like it, best first."""

    face: Face
    matches: tuple[Match, ...]
