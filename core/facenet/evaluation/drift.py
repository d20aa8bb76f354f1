"""Whether similarities are spread as they were: histograms and the population stability index."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facenet.evaluation.pairs import Indices, Scores
from facenet.records import Record

EDGES = tuple(round(-1 + step / 20, 2) for step in range(41))
"""Ends of the bins of every histogram; a similarity is above the lower end, up to the upper."""
SMALL, LARGE = 0.1, 0.25
"""The customary limits of the index (Siddiqi 2006, Credit Risk Scorecards): below the first nothing
of significance has changed, from the second on something has."""
_LEAST_SHARE = 0.1
"""Of what is compared with, in each bin; neighbouring bins are joined until they have it."""
_CHANCE = 1.6449
"""The 95 % quantile of the normal distribution."""

Counts = tuple[int, ...]
"""How many similarities are in each bin between `EDGES`."""
Verdict = Literal["stable", "moved", "drifted", "too few"]


@dataclass(frozen=True, slots=True)
class Bin(Record):
    """Similarities above `low` and up to `high`: their share `before` and `now`."""

    low: float
    high: float
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Drift(Record):
    """How the spread of `now` similarities differs from that of so many `before`.

    `psi` is the population stability index, and chance alone makes it larger than `by_chance` once
    in twenty times; both are None where there is nothing to compare.
    """

    before: int
    now: int
    bins: tuple[Bin, ...]
    psi: float | None
    by_chance: float | None
    verdict: Verdict


def histogram(similarities: Scores, weights: Scores | None = None) -> Counts:
    """The counts of similarities in -1..1, (N,); `weights`, (N,), say how many each stands for."""
    places = np.searchsorted(EDGES, np.asarray(similarities, np.float64), side="left") - 1
    bins = len(EDGES) - 1
    counts = np.bincount(places.clip(0, bins - 1), weights, minlength=bins)
    return tuple(np.rint(counts).astype(int).tolist())


def similarity_to_own(embeddings: Scores, identity: Indices) -> NDArray[np.float32]:
    """Of N embeddings of unit length, (N, D), each one's similarity with the mean of the others of
    its identity, (N,) int: what a search finds where these are enrolled. Those who have no other
    are left out."""
    people, count = np.unique(identity, return_inverse=True, return_counts=True)[1:]
    sums = np.zeros((len(count), embeddings.shape[1]), np.float32)
    np.add.at(sums, people, embeddings)
    others = (sums[people] - embeddings)[count[people] > 1]
    lengths = np.linalg.norm(others, axis=1).clip(np.finfo(np.float32).tiny)
    own = np.einsum("nd,nd->n", others, embeddings[count[people] > 1]) / lengths
    found: NDArray[np.float32] = own.clip(-1, 1).astype(np.float32)
    return found


def drift(before: Sequence[int], now: Sequence[int], *, above: float = -1.0) -> Drift:
    """Compare two `Counts`, by the bins that lie wholly above a similarity.

    The index is the sum of (q - p) ln(q / p) over the bins, with p and q the shares before and now
    (docs/thresholds.md has the sources). Bins are joined until each has a tenth of `before`, and a
    bin that is empty now counts as half a similarity. Without any change the index of n and m
    similarities is about (1 / n + 1 / m) times a chi-squared number of one degree of freedom less
    than there are bins, as Pearson's statistic of two samples is, which it equals to first order;
    where that alone exceeds `SMALL` once in twenty times, they are too few for a verdict.
    """
    first = int(np.searchsorted(EDGES, above - 1e-9, side="left"))
    old, new = np.array(before[first:], float), np.array(now[first:], float)
    n, m = old.sum(), new.sum()
    if not n or not m:
        return Drift(int(n), int(m), (), None, None, "too few")
    groups = _joined(old / n)
    p = np.add.reduceat(old, groups) / n
    q = np.add.reduceat(new, groups) / m
    shown = np.maximum(q, 0.5 / m)
    psi = float(((shown - p) * np.log(shown / p)).sum())
    by_chance = (1 / n + 1 / m) * _chi_squared(len(groups) - 1)
    ends = [*(first + groups), len(EDGES) - 1]
    bins = tuple(
        Bin(EDGES[low], EDGES[high], float(was), float(is_now))
        for low, high, was, is_now in zip(ends[:-1], ends[1:], p, q, strict=True)
    )
    return Drift(int(n), int(m), bins, psi, by_chance, _verdict(psi, by_chance))


def _joined(shares: NDArray[np.float64]) -> NDArray[np.intp]:
    """Where each group of neighbouring bins begins."""
    starts, share = [0], 0.0
    for place, more in enumerate(shares):
        if share >= _LEAST_SHARE and shares[place:].sum() >= _LEAST_SHARE:
            starts.append(place)
            share = 0.0
        share += more
    return np.array(starts)


def _chi_squared(degrees: int) -> float:
    """Its 95 % quantile, by Wilson and Hilferty (1931), to about a hundredth."""
    if not degrees:
        return 0.0
    part = 2 / (9 * degrees)
    return degrees * (1 - part + _CHANCE * math.sqrt(part)) ** 3


def _verdict(psi: float, by_chance: float) -> Verdict:
    if by_chance > SMALL:
        return "too few"
    if psi < SMALL:
        return "stable"
    return "moved" if psi < LARGE else "drifted"
