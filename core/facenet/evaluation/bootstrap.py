"""How well figures are known: a bootstrap over identities.

Pairs that share a person are not independent, so people are drawn again, not pairs: each comes
0, 1, 2, ... times, in numbers of a Poisson distribution of mean 1. A genuine pair counts as often
as its person, an impostor pair by the product of its two people's numbers (the vertex bootstrap of
Snijders and Borgatti, Connections 22(2), 1999).

That product alone overstates the noise of impostor pairs that share no one: its variance is 3, and
that of one pair's own draw 1. The numbers are therefore drawn towards 1 for impostor pairs, as far
as it takes to give each FAR the variance that is robust to pairs sharing a person (Fafchamps and
Gubert, Journal of Development Economics 83, 2007). docs/evaluation.md derives it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facenet.evaluation.pairs import Indices, ScoredPairs, Scores

REPLICATES = 1000
EXACT_UP_TO = 2**13
"""Up to so many different similarities, each is a threshold of the curves."""
_AT_ONCE = 128
_CHUNK_VALUES = 2**22
_LEVELS = 48


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """ROC curves of B replicates at K falling `thresholds`, of which the last accepts all pairs.

    `impostors` and `genuine` are (F, K, B): the weight of the pairs of each fold that a threshold
    accepts; F is 1 without folds.
    """

    thresholds: Scores
    impostors: Scores
    genuine: Scores

    def rates(self) -> tuple[Scores, Scores]:
        """FAR and TAR over all folds, (K + 1, B) each; the first row accepts nothing. NaN where
        a replicate drew no one of a kind of pairs."""
        return _shares(self.impostors.sum(axis=0)), _shares(self.genuine.sum(axis=0))


def replicate_curves(
    pairs: ScoredPairs, *, count: int = REPLICATES, seed: int = 0
) -> Iterator[Curves]:
    """Curves of `count` replicates, some at a time.

    The same `seed` draws the same people again, whatever the similarities: what two models differ
    by in each replicate is a paired comparison.
    """
    layout = _Layout.of(pairs)
    random = np.random.default_rng(seed)
    for start in range(0, count, _AT_ONCE):
        size = (layout.identities, min(_AT_ONCE, count - start))
        yield layout.curves(random.poisson(1.0, size).astype(np.float32))


def observed_curves(pairs: ScoredPairs) -> Curves:
    """The curves of the pairs themselves: one replicate in which each person comes once."""
    layout = _Layout.of(pairs)
    return layout.curves(np.ones((layout.identities, 1), np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """Pairs in order of fold and threshold, ready to be weighted.

    `row` is (P,): fold x K + the first threshold that accepts the pair.
    """

    thresholds: Scores
    folds: int
    identities: int
    row: Indices
    first: Indices
    second: Indices
    weight: Scores
    damping: Scores
    """(K,): how far people's numbers are left from 1 in impostor pairs at a threshold."""

    @classmethod
    def of(cls, pairs: ScoredPairs) -> _Layout:
        thresholds = _thresholds(pairs)
        place = np.searchsorted(-thresholds, -pairs.similarity, side="left")
        people = np.unique(pairs.identity, return_inverse=True)[1]
        first, second = people[pairs.first], people[pairs.second]
        weight = np.ones(len(pairs), np.float32) if pairs.weight is None else pairs.weight
        fold = np.zeros(len(pairs), np.int64) if pairs.fold is None else pairs.fold
        row = fold * len(thresholds) + place
        order = np.argsort(row, kind="stable")
        different = first != second
        damping = _damping(
            place[different],
            first[different],
            second[different],
            weight[different],
            len(thresholds),
        )
        return cls(
            thresholds,
            int(fold.max()) + 1,
            int(people.max()) + 1,
            row[order],
            first[order],
            second[order],
            weight[order].astype(np.float32),
            damping.astype(np.float32),
        )

    def curves(self, numbers: Scores) -> Curves:
        """`numbers` is (identities, B) float32: how often each person was drawn."""
        shape = (self.folds, len(self.thresholds), numbers.shape[1])
        genuine = self.first == self.second
        return Curves(
            self.thresholds,
            self._weights(np.flatnonzero(~genuine), numbers).reshape(shape).cumsum(axis=1),
            self._weights(np.flatnonzero(genuine), numbers).reshape(shape).cumsum(axis=1),
        )

    def _weights(self, members: Indices, numbers: Scores) -> Scores:
        """(folds x K, B): what the `members` of one kind add at each row."""
        total = np.zeros((self.folds * len(self.thresholds), numbers.shape[1]))
        parts = 1 + members.size * numbers.shape[1] // _CHUNK_VALUES
        for chunk in np.array_split(members, parts) if members.size else ():
            rows, starts = np.unique(self.row[chunk], return_index=True)
            counted = self._multiplicities(chunk, numbers) * self.weight[chunk, None]
            total[rows] += np.add.reduceat(counted, starts, axis=0)
        return total

    def _multiplicities(self, chunk: Indices, numbers: Scores) -> Scores:
        first, second = self.first[chunk], self.second[chunk]
        if first[0] == second[0]:  # all pairs of a chunk are of one kind
            return numbers[first]
        damping = self.damping[self.row[chunk] % len(self.thresholds), None]
        damped: Scores = 1 + damping * (numbers[first] - 1)
        damped *= 1 + damping * (numbers[second] - 1)
        return damped


def _shares(accepted: Scores) -> Scores:
    total = np.where(accepted[-1] > 0, accepted[-1], np.nan)
    return np.concatenate([np.zeros((1, accepted.shape[1])), accepted / total])


def _thresholds(pairs: ScoredPairs) -> Scores:
    """All similarities, falling; of many, those at even steps of TAR, FAR and their logarithms."""
    values = np.unique(pairs.similarity)[::-1]
    if len(values) <= EXACT_UP_TO:
        return values
    kinds = []
    for kind in (pairs.genuine, ~pairs.genuine):
        ranked = np.sort(pairs.similarity[kind])[::-1]
        steps = EXACT_UP_TO // 4
        even = np.linspace(0, len(ranked) - 1, steps).astype(np.int64)
        fine = np.geomspace(1, len(ranked), steps).astype(np.int64) - 1
        kinds.append(ranked[np.union1d(even, fine)])
    return np.unique(np.concatenate([*kinds, values[-1:]]))[::-1]


def _damping(
    place: Indices, first: Indices, second: Indices, weight: Scores, thresholds: int
) -> Scores:
    """For each threshold the factor r by which people's numbers are drawn towards 1.

    With the errors e_p = (accepted or not) - FAR of the pairs p, and e_i the sum of those of
    person i, the robust variance of the FAR's numerator is sum e_i^2 - sum e_p^2, here R - D, but
    at least D, that of independent pairs. Products of damped numbers have the variance
    ((1 + r^2)^2 - 1) D + r^2 S, where S = max(R - 2 D, 0) is what pairs that share someone add.
    r^2 is the root of the quadratic equation that makes the two equal.
    """
    people = 1 + max(first.max(initial=0), second.max(initial=0))
    ends = np.concatenate([first, second])

    def per_person(accepted: Scores) -> Scores:
        return np.bincount(ends, np.concatenate([accepted, accepted]), people).astype(float)

    total, pairs_of = weight.sum(), per_person(weight)
    levels = np.unique(np.linspace(0, thresholds - 1, _LEVELS).astype(np.int64))
    squares = np.ones(len(levels))
    for index, level in enumerate(levels):
        accepted = np.where(place <= level, weight, 0)
        far = accepted.sum() / total
        own = total * far * (1 - far)
        if own > 0:
            shared = max(float(((per_person(accepted) - far * pairs_of) ** 2).sum()) - 2 * own, 0)
            linear = 2 * own + shared
            squares[index] = (np.sqrt(linear**2 + 4 * own * (own + shared)) - linear) / (2 * own)
    return np.interp(np.arange(thresholds), levels, np.sqrt(squares))
