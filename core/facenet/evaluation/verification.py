"""Verification: are two faces of one person? Figures over scored pairs.

A pair is genuine (one identity) or an impostor pair (two). FAR is the share of impostor pairs
accepted, TAR the share of genuine pairs accepted; a pair is accepted when its similarity is at
least the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facenet.errors import DataError
from facenet.evaluation.pairs import Scores

FARS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
DECISION_FAR = 1e-2
"""The false accept rate at which a newly trained model decides until it is told otherwise."""
MIN_ERRORS = 3
"""A FAR is stated only where at least this many impostor errors are expected: the rule of three
(Hanley and Lippman-Hand, JAMA 1983) gives 3/n as the 95 % bound where none of n was seen."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The highest TAR at a FAR of at most `far`, and the lowest threshold that reaches it."""

    far: float
    tar: float
    threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """The figures of one set of scored pairs; shares are in 0..1.

    `accuracy` is the best over all thresholds, reached at `best_threshold`, with genuine and
    impostor pairs weighted equally, as in protocols that have as many of each; that is infinite
    where it is best to accept no pair. `operating_points` has an entry for each FAR of `FARS`, and
    for others that were asked for; None where the impostor pairs cannot support it.
    `far` and `tar` are points of the ROC curve in its order, `thresholds` what reaches each; the
    curve is straight between them.
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
        supported = [self.operating_points[far] for far in FARS if far >= DECISION_FAR]
        return min(filter(None, supported), key=lambda point: point.far, default=None)


def pairs_needed(far: float) -> int:
    """How many impostor pairs it takes to state a FAR."""
    return math.ceil(MIN_ERRORS / far - 1e-6)


def allowed_errors(impostor_pairs: int, more_fars: Iterable[float] = ()) -> dict[float, int | None]:
    """For each FAR how many impostor pairs may be accepted; None where they cannot support it."""
    return {
        # 0.001 * 29000 is less than 29
        far: math.floor(far * impostor_pairs * (1 + 1e-12))
        if impostor_pairs >= pairs_needed(far)
        else None
        for far in (*FARS, *more_fars)
    }


def verification(
    similarity: Scores, genuine: NDArray[np.bool_], *, more_fars: Iterable[float] = ()
) -> Verification:
    """All figures of P pairs: `similarity` (P,) float, `genuine` (P,) bool.

    `more_fars` adds operating points. Raises `DataError` for NaN, or when there is no genuine or
    no impostor pair.
    """
    refuse_nonsense(int(genuine.sum()), int((~genuine).sum()), similarity)
    order = np.argsort(-similarity, kind="stable")
    scores, hits = similarity[order], genuine[order]
    # Only the last of equal scores is a threshold: equal scores are accepted together.
    ends = np.flatnonzero(np.append(np.diff(scores) != 0, True))
    accepted_genuine = np.cumsum(hits, dtype=np.int64)[ends]
    impostors = scores[~hits]
    first_refused = {
        far: None if errors is None else impostors[errors]
        for far, errors in allowed_errors(len(impostors), more_fars).items()
    }
    return from_counts(scores[ends], accepted_genuine, ends + 1 - accepted_genuine, first_refused)


def refuse_nonsense(genuine_pairs: int, impostor_pairs: int, numbers: Scores) -> None:
    """Raise `DataError` for NaN or infinity, or when a kind of pair is missing."""
    if not genuine_pairs or not impostor_pairs:
        raise DataError(
            f"{genuine_pairs} genuine and {impostor_pairs} impostor pairs: both kinds are needed"
        )
    if not np.isfinite(numbers).all():
        raise DataError("similarities hold NaN or infinity")


def from_counts(
    thresholds: Scores,
    accepted_genuine: NDArray[np.integer[Any]],
    accepted_impostors: NDArray[np.integer[Any]],
    first_refused: Mapping[float, np.floating[Any] | None],
) -> Verification:
    """All figures from what falling `thresholds`, (K,) float, accept; the last accepts all.

    Between two thresholds the pairs that only the lower one accepts must be of one kind, or of
    one score. `first_refused` has for each FAR the highest similarity of an impostor pair that must
    not be accepted, None where the pairs cannot support it.
    """
    positives, negatives = int(accepted_genuine[-1]), int(accepted_impostors[-1])
    thresholds = np.append(np.inf, thresholds)
    tar = np.append(0.0, accepted_genuine / positives)
    far = np.append(0.0, accepted_impostors / negatives)
    accuracy = (tar + 1 - far) / 2
    best = int(np.argmax(accuracy))
    points: dict[float, OperatingPoint | None] = dict.fromkeys(first_refused)
    for target, refused in first_refused.items():
        if refused is None:
            continue
        accepting = int(np.searchsorted(-thresholds, -refused, side="left")) - 1
        threshold = float(np.nextafter(refused, np.inf))
        points[target] = OperatingPoint(target, float(tar[accepting]), threshold)
    return Verification(
        genuine_pairs=positives,
        impostor_pairs=negatives,
        accuracy=float(accuracy[best]),
        best_threshold=float(thresholds[best]),
        auc=float(np.trapezoid(tar, far)),
        eer=float(equal_error_rate(far[:, None], tar[:, None])[0]),
        operating_points=points,
        far=far,
        tar=tar,
        thresholds=thresholds,
    )


def equal_error_rate(far: Scores, tar: Scores) -> Scores:
    """Where FAR equals FRR = 1 - TAR, linear between the points of (K, B) curves; (B,)."""
    gap = far - (1 - tar)
    after = np.argmax(gap >= 0, axis=0)[None]
    before = np.maximum(after - 1, 0)
    low, high = np.take_along_axis(gap, before, 0), np.take_along_axis(gap, after, 0)
    step = high - low
    share = np.where(step == 0, 0.0, -low / np.where(step == 0, 1, step))
    start, end = np.take_along_axis(far, before, 0), np.take_along_axis(far, after, 0)
    rate: Scores = (start + share * (end - start))[0]
    return rate
