"""From similarity to the probability that a pair is genuine, and how far to trust the map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from facenet.errors import DataError
from facenet.evaluation.pairs import ScoredPairs, Scores

MapKind = Literal["logistic", "isotonic"]
_BINS = 15
_MOST_POINTS = 64


@dataclass(frozen=True, slots=True)
class ProbabilityMap:
    """A rising map. `logistic`: 1 / (1 + exp(-(slope x similarity + intercept))). `isotonic`:
    linear between `points`, (similarity, probability). `calibration_error` is the expected
    calibration error on people that the map was not fitted on."""

    kind: MapKind
    slope: float
    intercept: float
    points: tuple[tuple[float, float], ...]
    calibration_error: float


def fit_probability(pairs: ScoredPairs, kind: MapKind) -> ProbabilityMap:
    """Fit a map on scored pairs, both kinds weighted as equally frequent.

    Its calibration error is measured by fitting on every second person and applying it to pairs
    of the others (Guo et al., ICML 2017, 15 bins of equal weight). Raises `DataError` when either
    half of the people has no pair of both kinds.
    """
    people = np.unique(pairs.identity, return_inverse=True)[1]
    sides = people[pairs.first] % 2, people[pairs.second] % 2
    halves = [pairs.where((sides[0] == half) & (sides[1] == half)) for half in (0, 1)]
    for half in halves:
        if not half.genuine.any() or half.genuine.all():
            raise DataError(
                "too few people to check a map to probabilities: both halves need pairs"
            )
    fitted = _fit(halves[0], kind)
    error = _calibration_error(fitted.predict(halves[1].similarity), halves[1])
    return _fit(pairs, kind).as_map(error)


class _Logistic:
    def __init__(self, pairs: ScoredPairs) -> None:
        from sklearn.linear_model import LogisticRegression

        self._model = LogisticRegression(C=1e6)  # nearly no penalty: the scale is the data's own
        self._model.fit(pairs.similarity[:, None], pairs.genuine, sample_weight=_balance(pairs))

    def predict(self, similarity: Scores) -> Scores:
        probability: Scores = self._model.predict_proba(similarity[:, None])[:, 1]
        return probability

    def as_map(self, error: float) -> ProbabilityMap:
        slope, intercept = float(self._model.coef_[0, 0]), float(self._model.intercept_[0])
        return ProbabilityMap("logistic", slope, intercept, (), error)


class _Isotonic:
    def __init__(self, pairs: ScoredPairs) -> None:
        from sklearn.isotonic import IsotonicRegression

        self._model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        self._model.fit(pairs.similarity, pairs.genuine, sample_weight=_balance(pairs))

    def predict(self, similarity: Scores) -> Scores:
        probability: Scores = self._model.predict(similarity)
        return probability

    def as_map(self, error: float) -> ProbabilityMap:
        known, values = self._model.X_thresholds_, self._model.y_thresholds_
        kept = np.unique(np.linspace(0, len(known) - 1, _MOST_POINTS).astype(int))
        points = tuple((float(known[i]), float(values[i])) for i in kept)
        return ProbabilityMap("isotonic", 0.0, 0.0, points, error)


def _fit(pairs: ScoredPairs, kind: MapKind) -> _Logistic | _Isotonic:
    return _Logistic(pairs) if kind == "logistic" else _Isotonic(pairs)


def _balance(pairs: ScoredPairs) -> Scores:
    """(P,) weights under which genuine and impostor pairs weigh one half each."""
    weight = np.ones(len(pairs)) if pairs.weight is None else pairs.weight
    genuine = pairs.genuine
    balanced: Scores = np.where(
        genuine, weight / weight[genuine].sum(), weight / weight[~genuine].sum()
    )
    return balanced / 2 * len(pairs)


def _calibration_error(probability: Scores, pairs: ScoredPairs) -> float:
    order = np.argsort(probability, kind="stable")
    weight = _balance(pairs)[order]
    cumulated = np.cumsum(weight) / weight.sum()
    bins = np.minimum((cumulated * _BINS).astype(int), _BINS - 1)
    shares = np.bincount(bins, weight, _BINS)
    said = np.bincount(bins, weight * probability[order], _BINS)
    true = np.bincount(bins, weight * pairs.genuine[order], _BINS)
    return float(np.abs(said - true).sum() / shares.sum())
