"""From the replicates of a figure to its 95 % confidence interval."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from facenet.evaluation.pairs import Scores

_Z = NormalDist().inv_cdf(0.975)
_FAR_OUT = 500.0  # log odds that are 0 or 1 in any number


def share_interval(
    value: float, samples: Scores, *, identities: int, trials: int, optimistic: bool = False
) -> tuple[float, float]:
    """The interval of a share in 0..1, symmetric on the scale of its log odds.

    `identities` is the number of people that were drawn from, `trials` the number of pairs or
    probes that the share is of. An `optimistic` figure is the best of many. It is higher than its
    true value by about as much as replicates are higher than it: the interval is moved down by
    that. Where no error was seen, the rule of three over people bounds it. Replicates that drew
    no one are NaN, and left out.
    """
    samples = samples[np.isfinite(samples)]
    if value in (0.0, 1.0) and np.all(samples == value):
        reach = min(1.0, 3 / identities)
        return (1 - reach, 1.0) if value == 1 else (0.0, reach)
    half_a_trial = 0.5 / trials
    odds = _log_odds(np.append(samples, value), half_a_trial)
    centre = odds[-1] - (max(0.0, np.median(odds[:-1]) - odds[-1]) if optimistic else 0.0)
    reach = _reach(odds[:-1], identities)
    low, high = 1 / (1 + np.exp(-np.clip([centre - reach, centre + reach], -_FAR_OUT, _FAR_OUT)))
    return float(min(low, value)), float(max(high, value))


def plain_interval(value: float, samples: Scores, *, identities: int) -> tuple[float, float]:
    """The interval of a figure in -1..1 that is no share: a threshold, a difference of shares.

    Replicates that reach no threshold are infinite, and left out.
    """
    finite = samples[np.isfinite(samples)]
    reach = _reach(finite, identities) if len(finite) else math.inf
    return min(value, max(-1.0, value - reach)), max(value, min(1.0, value + reach))


def _reach(samples: Scores, identities: int) -> float:
    """Half the width: quantile of Student's t times the replicates' standard deviation.

    The quantile is the expansion of Abramowitz and Stegun, 26.7.5. A replicate varies less than
    a new sample of few people does; the factor is the one that the delete-one jackknife has.
    """
    freedom = max(identities - 1, 1)
    student = _Z + (_Z**3 + _Z) / (4 * freedom)
    few = 1 / (1 - 2 / identities) if identities > 2 else math.inf
    spread = float(np.std(samples))
    return student * few * spread if spread else 0.0


def _log_odds(shares: Scores, edge: float) -> Scores:
    inside = np.clip(shares, edge, 1 - edge)
    odds: np.ndarray[Any, Any] = np.log(inside / (1 - inside))
    return odds
