"""All figures of verification, each with its confidence interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from facenet.evaluation.all_pairs import Measured
from facenet.evaluation.bootstrap import REPLICATES, Curves, observed_curves, replicate_curves
from facenet.evaluation.estimate import Estimate
from facenet.evaluation.folds import fold_accuracy
from facenet.evaluation.intervals import plain_interval, share_interval
from facenet.evaluation.pairs import Scores
from facenet.evaluation.verification import FARS, equal_error_rate, pairs_needed

BAND_POINTS = 60
"""FARs at which the ROC curve has an interval."""


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """A 95 % interval of TAR, `low` to `high`, at each FAR of a curve; (BAND_POINTS,) each."""

    far: Scores
    low: Scores
    high: Scores


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """What is known from scored pairs.

    `figures` has accuracy, auc, eer and tar_at_far_<far>; `thresholds` the similarity that
    reaches each supported FAR. `protocol` says how accuracy was measured, `identities` on how many
    people.
    """

    measured: Measured
    figures: dict[str, Estimate]
    thresholds: dict[float, Estimate]
    protocol: str
    identities: int
    band: Band = field(repr=False)


def summarize(measured: Measured, *, count: int = REPLICATES, seed: int = 0) -> Summary:
    """Figures and intervals; where pairs have folds, accuracy is that of the folds' protocol."""
    exact, pairs = measured.verification, measured.pairs
    fars = {far: point for far, point in exact.operating_points.items() if point}
    axis = np.geomspace(1 / exact.impostor_pairs, 1, BAND_POINTS)
    samples = _samples(replicate_curves(pairs, count=count, seed=seed), list(fars), axis)
    identities = len(np.unique(pairs.identity[np.concatenate([pairs.first, pairs.second])]))
    everything = exact.genuine_pairs + exact.impostor_pairs

    def share(name: str, value: float, trials: int, *, optimistic: bool = False) -> Estimate:
        fewest = min(exact.genuine_pairs, exact.impostor_pairs)
        low, high = share_interval(
            value, samples[name], identities=identities, trials=fewest, optimistic=optimistic
        )
        return Estimate(value, low, high, trials)

    if pairs.fold is None:
        protocol = "best threshold, chosen on the same pairs"
        accuracy = share("accuracy", exact.accuracy, everything, optimistic=True)
    else:
        protocol = f"{int(pairs.fold.max()) + 1} folds, each with the others' best threshold"
        observed = float(fold_accuracy(observed_curves(pairs))[0])
        accuracy = share("fold_accuracy", observed, everything)
    figures = {
        "accuracy": accuracy,
        "auc": share("auc", exact.auc, everything),
        "eer": share("eer", exact.eer, everything),
    }
    thresholds = {}
    for far in FARS:
        point, name = exact.operating_points[far], f"tar_at_far_{far:g}"
        figures[name] = (
            share(name, point.tar, exact.genuine_pairs)
            if point
            else Estimate(None, n=exact.genuine_pairs, needs=pairs_needed(far))
        )
    for far, point in fars.items():
        low, high = plain_interval(
            point.threshold, samples[f"threshold_{far:g}"], identities=identities
        )
        thresholds[far] = Estimate(point.threshold, low, high, exact.impostor_pairs)
    low, high = np.nanquantile(samples["band"], [0.025, 0.975], axis=1)
    return Summary(measured, figures, thresholds, protocol, identities, Band(axis, low, high))


def rates_at(
    measured: Measured, threshold: float, *, count: int = REPLICATES, seed: int = 0
) -> dict[str, Estimate]:
    """`far` and `tar` when a given threshold decides, with their intervals."""
    exact, pairs = measured.verification, measured.pairs
    identities = len(np.unique(pairs.identity[np.concatenate([pairs.first, pairs.second])]))
    trials = {"far": exact.impostor_pairs, "tar": exact.genuine_pairs}
    observed = _rates(observed_curves(pairs), threshold)
    samples = [
        _rates(curves, threshold) for curves in replicate_curves(pairs, count=count, seed=seed)
    ]
    rates = {}
    for name, total in trials.items():
        value = float(observed[name][0])
        drawn = np.concatenate([sample[name] for sample in samples])
        low, high = share_interval(value, drawn, identities=identities, trials=total)
        rates[name] = Estimate(value, low, high, total)
    return rates


def tar_change(
    before: Measured, after: Measured, far: float, *, count: int = REPLICATES, seed: int = 0
) -> Estimate:
    """By how much TAR at a FAR differs between two models on the same pairs, with the interval of
    the paired difference; negative when `after` is worse.

    Raises KeyError when the pairs do not support the FAR.
    """
    first, second = (m.verification.operating_points[far] for m in (before, after))
    if first is None or second is None:
        raise KeyError(far)
    one, other = (
        _samples(replicate_curves(m.pairs, count=count, seed=seed), [far], np.ones(1))
        for m in (before, after)
    )
    name, value = f"tar_at_far_{far:g}", second.tar - first.tar
    identities = len(np.unique(before.pairs.identity))
    low, high = plain_interval(value, other[name] - one[name], identities=identities)
    return Estimate(value, low, high, before.verification.genuine_pairs)


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


def _rates(curves: Curves, threshold: float) -> dict[str, Scores]:
    far, tar = curves.rates()
    place = int(np.searchsorted(-curves.thresholds, -threshold, side="right"))
    return {"far": far[place], "tar": tar[place]}


def _at_far(limit: float, far: Scores, tar: Scores) -> tuple[Scores, np.ndarray]:
    """Per replicate the TAR at a FAR of at most `limit`, and the place on the curve."""
    place = (far <= limit * (1 + 1e-9)).sum(axis=0) - 1
    reached = np.take_along_axis(tar, place[None], axis=0)[0]
    return np.where(np.isnan(far[-1] + tar[-1]), np.nan, reached), place
