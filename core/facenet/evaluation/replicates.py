"""Figures of verification, and the same when people are drawn again: what intervals are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from facenet.evaluation.all_pairs import Measured
from facenet.evaluation.bootstrap import REPLICATES, Curves, observed_curves, replicate_curves
from facenet.evaluation.folds import fold_accuracy
from facenet.evaluation.pairs import ScoredPairs, Scores
from facenet.evaluation.verification import equal_error_rate


@dataclass(frozen=True, slots=True, eq=False)
class Replicated:
    """Figures of verification by name, `values`, and the same of B replicates that drew the people
    again, `samples`, (B,) each. `trials` says on how many pairs each figure is measured,
    `identities` on how many people.

    It has accuracy (with the threshold that is best for the same pairs), fold_accuracy where pairs
    have folds, auc, eer, and tar_at_far_<far> for each FAR that the pairs support.
    """

    values: dict[str, float]
    samples: dict[str, Scores]
    trials: dict[str, int]
    identities: int


def replicated(
    measured: Measured, axis: Scores | None = None, *, count: int = REPLICATES, seed: int = 0
) -> Replicated:
    """What `differences` compares; two models are compared with the same `count` and `seed`.

    `axis` is FARs at which the samples have a `band` of TAR, (len(axis), B).
    """
    exact, pairs = measured.verification, measured.pairs
    points = {far: point for far, point in exact.operating_points.items() if point}
    values = {"accuracy": exact.accuracy, "auc": exact.auc, "eer": exact.eer}
    if pairs.fold is not None:
        values["fold_accuracy"] = float(fold_accuracy(observed_curves(pairs))[0])
    rates = {f"tar_at_far_{far:g}": point.tar for far, point in points.items()}
    trials = dict.fromkeys(values, exact.genuine_pairs + exact.impostor_pairs)
    axis = np.ones(1) if axis is None else axis
    return Replicated(
        values | rates,
        _samples(replicate_curves(pairs, count=count, seed=seed), list(points), axis),
        trials | dict.fromkeys(rates, exact.genuine_pairs),
        people_of(pairs),
    )


def people_of(pairs: ScoredPairs) -> int:
    """How many people the pairs are of."""
    return len(np.unique(pairs.identity[np.concatenate([pairs.first, pairs.second])]))


def _samples(curves: Iterable[Curves], fars: list[float], axis: Scores) -> dict[str, Scores]:
    """Each figure of all replicates, (B,), and `band`, (len(axis), B)."""
    parts = [_figures(some, fars, axis) for some in curves]
    return {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}


def _figures(curves: Curves, fars: list[float], axis: Scores) -> dict[str, Scores]:
    far, tar = curves.rates()
    thresholds = np.append(np.inf, curves.thresholds)
    figures = {
        "accuracy": ((tar + 1 - far) / 2).max(axis=0),
        "auc": np.trapezoid(tar, far, axis=0),
        "eer": equal_error_rate(far, tar),
        "band": np.stack([_at_far(limit, far, tar)[0] for limit in axis]),
    }
    if curves.impostors.shape[0] > 1:
        figures["fold_accuracy"] = fold_accuracy(curves)
    for limit in fars:
        figures[f"tar_at_far_{limit:g}"], reached = _at_far(limit, far, tar)
        figures[f"threshold_{limit:g}"] = thresholds[reached]
    return figures


def _at_far(limit: float, far: Scores, tar: Scores) -> tuple[Scores, np.ndarray]:
    """Per replicate the TAR at a FAR of at most `limit`, and the place on the curve."""
    place = (far <= limit * (1 + 1e-9)).sum(axis=0) - 1
    reached = np.take_along_axis(tar, place[None], axis=0)[0]
    return np.where(np.isnan(far[-1] + tar[-1]), np.nan, reached), place
