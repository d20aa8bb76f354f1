"""What goes into the gallery, and what is held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from facenet.config import InferenceConfig
from facenet.errors import QualityError
from facenet.recognition.cropping import Crop
from facenet.recognition.quality import Policy, Quality, Reason, quality_of, reasons_against
from facenet.recognition.templates import outliers, robust_template
from facenet.types import Samples, Store

if TYPE_CHECKING:
    from facenet.types import Vector


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """N aligned faces that may stand for one identity, their (N, D) embeddings and qualities, and
    for each the reasons not to enrol it."""

    crops: list[Crop]
    embeddings: Vector
    qualities: list[Quality]
    reasons: list[list[Reason]]

    @property
    def refused(self) -> tuple[str, ...]:
        """One line for each face that should not be enrolled."""
        return tuple(
            f"{crop.source}: " + ", ".join(f"{reason.text} ({reason.code})" for reason in reasons)
            for crop, reasons in zip(self.crops, self.reasons, strict=True)
            if reasons
        )

    def accepted(self) -> Candidates:
        """Those that may be enrolled."""
        places = [place for place, reasons in enumerate(self.reasons) if not reasons]
        return Candidates(
            [self.crops[place] for place in places],
            self.embeddings[places],
            [self.qualities[place] for place in places],
            [[] for _ in places],
        )

    def refuse_any(self) -> None:
        """Raises `QualityError` when any should not be enrolled."""
        if lines := self.refused:
            codes = [reason.code for reasons in self.reasons for reason in reasons]
            advice = (
                "nothing is enrolled; to take any face, set quality to off: --set quality=off, or "
                'quality="off" in Python'
            )
            raise QualityError("\n".join([*lines, advice]), codes)


def assess(
    store: Store, identity: str, crops: Sequence[Crop], embeddings: Vector, policy: Policy
) -> Candidates:
    """Judge N aligned faces with (N, D) embeddings, each by itself and among the others.

    A face that is unlike the rest of the identity's, enrolled and new, may be someone else's; for
    this at least four must be known.
    """
    qualities = [quality_of(crop) for crop in crops]
    reasons = [reasons_against(quality, policy) for quality in qualities]
    candidates = Candidates(list(crops), embeddings, qualities, reasons)
    if policy != "off":
        for place in _strangers(store.samples(identity), candidates):
            reasons[place].append(
                Reason("possible_mix_up", f"the face is unlike the others of {identity!r}")
            )
    return candidates


def add(
    store: Store,
    identity: str,
    candidates: Candidates,
    config: InferenceConfig,
    metadata: Mapping[str, Any] | None,
) -> int:
    """Enrol all candidates and make the configured template; how many were added."""
    robust = config.template == "robust"
    return store.enrol(
        identity,
        candidates.embeddings,
        keys=[crop.key for crop in candidates.crops],
        metadata=metadata,
        weights=[quality.weight for quality in candidates.qualities] if robust else None,
        template=robust_template if robust else None,
    )


def _strangers(held: Samples, candidates: Candidates) -> Sequence[int]:
    lengths = np.linalg.norm(candidates.embeddings, axis=1, keepdims=True)
    unit = candidates.embeddings / np.maximum(lengths, np.finfo(np.float32).tiny)
    weights = np.array([quality.weight for quality in candidates.qualities], np.float32)
    together = Samples(
        np.concatenate([held.embeddings, unit]), np.concatenate([held.weights, weights])
    )
    found: list[int] = np.flatnonzero(outliers(together)[len(held.weights) :]).tolist()
    return found
