"""All figures of verification, each with its confidence interval."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from facenet.evaluation.all_pairs import Measured
from facenet.evaluation.bootstrap import REPLICATES, Curves, observed_curves, replicate_curves
from facenet.evaluation.estimate import Estimate
from facenet.evaluation.intervals import plain_interval, share_interval
from facenet.evaluation.pairs import Scores
from facenet.evaluation.replicates import Replicated, people_of, replicated
from facenet.evaluation.verification import FARS, pairs_needed

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
    axis = np.geomspace(1 / exact.impostor_pairs, 1, BAND_POINTS)
    found = replicated(measured, axis, count=count, seed=seed)

    def share(name: str, *, optimistic: bool = False) -> Estimate:
        value = found.values[name]
        low, high = share_interval(
            value,
            found.samples[name],
            identities=found.identities,
            trials=min(exact.genuine_pairs, exact.impostor_pairs),
            optimistic=optimistic,
        )
        return Estimate(value, low, high, found.trials[name])

    if pairs.fold is None:
        protocol = "best threshold, chosen on the same pairs"
        accuracy = share("accuracy", optimistic=True)
    else:
        protocol = f"{int(pairs.fold.max()) + 1} folds, each with the others' best threshold"
        accuracy = share("fold_accuracy")
    figures = {"accuracy": accuracy, "auc": share("auc"), "eer": share("eer")}
    thresholds = {}
    for far in FARS:
        name = f"tar_at_far_{far:g}"
        figures[name] = (
            share(name)
            if name in found.values
            else Estimate(None, n=exact.genuine_pairs, needs=pairs_needed(far))
        )
    for far, point in exact.operating_points.items():
        if point is None:
            continue
        low, high = plain_interval(
            point.threshold, found.samples[f"threshold_{far:g}"], identities=found.identities
        )
        thresholds[far] = Estimate(point.threshold, low, high, exact.impostor_pairs)
    low, high = np.nanquantile(found.samples["band"], [0.025, 0.975], axis=1)
    band = Band(axis, low, high)
    return Summary(measured, figures, thresholds, protocol, found.identities, band)


def rates_at(
    measured: Measured, threshold: float, *, count: int = REPLICATES
) -> dict[str, Estimate]:
    """`far` and `tar` when a given threshold decides, with their intervals."""
    exact, pairs = measured.verification, measured.pairs
    identities = people_of(pairs)
    trials = {"far": exact.impostor_pairs, "tar": exact.genuine_pairs}
    observed = _rates(observed_curves(pairs), threshold)
    samples = [_rates(curves, threshold) for curves in replicate_curves(pairs, count=count)]
    rates = {}
    for name, total in trials.items():
        value = float(observed[name][0])
        drawn = np.concatenate([sample[name] for sample in samples])
        low, high = share_interval(value, drawn, identities=identities, trials=total)
        rates[name] = Estimate(value, low, high, total)
    return rates


def differences(before: Replicated, after: Replicated) -> dict[str, Estimate]:
    """By how much each figure differs between two models on the same pairs, `after` - `before`,
    with the interval of the paired difference: each replicate measured both on the same people.
    """
    found = {}
    for name, former in before.values.items():
        value = after.values[name] - former
        drawn = after.samples[name] - before.samples[name]
        low, high = plain_interval(value, drawn, identities=before.identities)
        found[name] = Estimate(value, low, high, before.trials[name])
    return found


def tar_change(before: Measured, after: Measured, far: float) -> Estimate:
    """The difference of TAR at a FAR alone; negative when `after` is worse.

    Raises KeyError when the pairs do not support the FAR.
    """
    return differences(replicated(before), replicated(after))[f"tar_at_far_{far:g}"]


def _rates(curves: Curves, threshold: float) -> dict[str, Scores]:
    far, tar = curves.rates()
    place = int(np.searchsorted(-curves.thresholds, -threshold, side="right"))
    return {"far": far[place], "tar": tar[place]}
