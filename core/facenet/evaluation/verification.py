"""Verification: are two faces of one person? Figures over scored pairs.

A pair is genuine (one identity) or an impostor pair (two). FAR is the share of impostor pairs
accepted, TAR the share of genuine pairs accepted; a pair is accepted when its similarity is at
least the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facenet.errors import DataError

FARS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
DECISION_FAR = 1e-2
"""The false accept rate at which a newly trained model decides until it is told otherwise."""
MIN_ERRORS = 3
"""A FAR is stated only where at least this many impostor errors are expected: the rule of three
(Hanley and Lippman-Hand, JAMA 1983) gives 3/n as the 95 % bound where none of n was seen."""

Scores = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The highest TAR at a FAR of at most `far`, and the threshold that reaches it."""

    far: float
    tar: float
    threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """The figures of one set of scored pairs; shares are in 0..1.

    `accuracy` is the best over all thresholds, reached at `best_threshold`, with genuine and
    impostor pairs weighted equally, as in protocols that have as many of each. `operating_points`
    has one entry for each FAR of `FARS`, None where the impostor pairs cannot support it.
    `far` and `tar` are the ROC curve, `thresholds` what reaches each of its points.
    """

    genuine_pairs: int
    impostor_pairs: int
    accuracy: float
    best_threshold: float
    auc: float
    eer: float
    operating_points: dict[float, OperatingPoint | None]
    far: Scores = field(repr=False)
    tar: Scores = field(repr=False)
    thresholds: Scores = field(repr=False)

    def decision_point(self) -> OperatingPoint | None:
        """The operating point at FAR `DECISION_FAR`, or at the next larger one that the data
        supports; None when it supports none."""
        supported = [p for p in self.operating_points.values() if p and p.far >= DECISION_FAR]
        return min(supported, key=lambda point: point.far, default=None)

    def figures(self) -> dict[str, float | None]:
        """The single numbers by name; None where the data supports none."""
        return {
            "accuracy": self.accuracy,
            "auc": self.auc,
            "eer": self.eer,
            **{
                f"tar_at_far_{far:g}": point.tar if point else None
                for far, point in self.operating_points.items()
            },
        }


def all_pairs(
    embeddings: Scores, labels: Sequence[int] | NDArray[np.integer[Any]]
) -> tuple[Scores, NDArray[np.bool_]]:
    """Every pair of N embeddings once: similarity and whether it is genuine, (N(N-1)/2,) each.

    `embeddings` is (N, D) of unit length, `labels` (N,) int.
    """
    first, second = np.triu_indices(len(labels), k=1)
    label_array = np.asarray(labels)
    similarity = embeddings @ embeddings.T
    return similarity[first, second], label_array[first] == label_array[second]


def verification(similarity: Scores, genuine: NDArray[np.bool_]) -> Verification:
    """All figures of P pairs: `similarity` (P,) float, `genuine` (P,) bool.

    Raises `DataError` for NaN, or when there is no genuine or no impostor pair.
    """
    positives, negatives = int(genuine.sum()), int((~genuine).sum())
    if not positives or not negatives:
        raise DataError(
            f"{positives} genuine and {negatives} impostor pairs: both kinds are needed"
        )
    if not np.isfinite(similarity).all():
        raise DataError("similarities hold NaN or infinity")
    order = np.argsort(-similarity, kind="stable")
    scores, hits = similarity[order], genuine[order]
    # Only the last of equal scores is a threshold: equal scores are accepted together.
    ends = np.flatnonzero(np.append(np.diff(scores) != 0, True))
    accepted_genuine = np.cumsum(hits)[ends]
    accepted_impostors = (ends + 1) - accepted_genuine
    thresholds = np.append(np.inf, scores[ends])
    tar = np.append(0.0, accepted_genuine / positives)
    far = np.append(0.0, accepted_impostors / negatives)

    accuracy = (tar + 1 - far) / 2
    best = int(np.argmax(accuracy))
    return Verification(
        genuine_pairs=positives,
        impostor_pairs=negatives,
        accuracy=float(accuracy[best]),
        best_threshold=float(min(thresholds[best], 1.0)),
        auc=float(np.trapezoid(tar, far)),
        eer=_equal_error_rate(far, tar),
        operating_points={
            target: _operating_point(target, far, tar, thresholds)
            if negatives * target >= MIN_ERRORS
            else None
            for target in FARS
        },
        far=far,
        tar=tar,
        thresholds=thresholds,
    )


def _operating_point(target: float, far: Scores, tar: Scores, thresholds: Scores) -> OperatingPoint:
    index = int(np.searchsorted(far, target, side="right")) - 1
    # At FAR 0 the curve may start above every score; no similarity exceeds 1.
    return OperatingPoint(target, float(tar[index]), float(min(thresholds[index], 1.0)))


def _equal_error_rate(far: Scores, tar: Scores) -> float:
    """Where FAR equals FRR = 1 - TAR, linear between the points of the ROC curve."""
    gap = far - (1 - tar)
    after = int(np.argmax(gap >= 0))
    before = max(after - 1, 0)
    step = gap[after] - gap[before]
    share = 0.0 if step == 0 else -gap[before] / step
    return float(far[before] + share * (far[after] - far[before]))
