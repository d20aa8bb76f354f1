"""What another model would decide about the samples of a gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facenet.gallery import unit_rows, weighted_sum
from facenet.records import Record
from facenet.stores import Samples

if TYPE_CHECKING:
    from facenet.types import Vector

MOST_PROBES = 2000
"""So many samples are compared with everybody, drawn at random where there are more."""
PROBES_AT_ONCE = 256
WORSE = 0.01
"""A figure is worse when it is so by more than this share of the probes."""
_SEED = 0


@dataclass(frozen=True, slots=True)
class Decided(Record):
    """Of the probes: the share whose own identity is the most similar (`rank_1`), and by the
    `threshold` how many are named rightly, wrongly, or not at all; None where none is known."""

    rank_1: float
    threshold: float | None
    right: int | None
    wrong: int | None
    nobody: int | None


@dataclass(frozen=True, slots=True)
class Flip(Record):
    """A sample, by its place among its identity's or, in a `Migration`, by its number, and whom it
    is taken for; None: nobody."""

    identity: str
    sample: int
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class DecisionChange(Record):
    """Each of `probes` samples of `identities` identities, compared with the templates of all, its
    own made without it: what is decided `before` and `after`, and where that differs (`flips`)."""

    identities: int
    probes: int
    before: Decided
    after: Decided
    flips: tuple[Flip, ...]

    @property
    def worse(self) -> tuple[str, ...]:
        """The figures that are worse `after`: of `rank_1`, `right` and `wrong`."""
        found = []
        for name, unit in (("rank_1", self.probes), ("right", 1), ("wrong", -1)):
            before, after = self.values_of(name)
            if None not in (before, after) and (before - after) * unit > WORSE * self.probes:
                found.append(name)
        return tuple(found)

    def values_of(self, name: str) -> tuple[Any, Any]:
        """A figure `before` and `after`."""
        return getattr(self.before, name), getattr(self.after, name)


class _Nearest(NamedTuple):
    """For each probe: the row of the most similar identity, and how similar it is."""

    identity: NDArray[np.int64]
    similarity: Vector


def compare_decisions(
    before: Mapping[str, Samples],
    after: Mapping[str, Samples],
    threshold_before: float | None,
    threshold_after: float | None,
) -> DecisionChange:
    """Leave one out: of the same samples, by identity, in two embedding spaces.

    Templates are weighted means, whatever the gallery's are. Identities of one sample are among
    those who are found, but nobody is probed by them.
    """
    names = list(before)
    owners = np.repeat(np.arange(len(names)), [len(before[name].weights) for name in names])
    places = np.concatenate(
        [np.arange(len(before[name].weights)) for name in names] or [np.empty(0, int)]
    )
    several = np.flatnonzero(np.bincount(owners, minlength=len(names))[owners] > 1)
    if len(several) > MOST_PROBES:
        chosen = np.random.default_rng(_SEED).choice(several, MOST_PROBES, replace=False)
        several = np.sort(chosen)
    seen = [_nearest([each[name] for name in names], owners, several) for each in (before, after)]
    thresholds = (threshold_before, threshold_after)
    own = owners[several]
    decided = [_decided(*each, own) for each in zip(seen, thresholds, strict=True)]
    flips: list[Flip] = []
    if threshold_before is not None and threshold_after is not None:
        was = _answers(names, seen[0], threshold_before)
        now = _answers(names, seen[1], threshold_after)
        flips = [
            Flip(names[owners[probe]], int(places[probe]), *both)
            for probe, *both in zip(several, was, now, strict=True)
            if both[0] != both[1]
        ]
    return DecisionChange(len(names), len(several), decided[0], decided[1], tuple(flips))


def _nearest(
    galleries: Sequence[Samples], owners: NDArray[np.int64], probes: NDArray[np.int64]
) -> _Nearest:
    identity, similarity = np.empty(len(probes), int), np.empty(len(probes), np.float32)
    if not len(probes):
        return _Nearest(identity, similarity)
    embeddings = np.concatenate([each.embeddings for each in galleries])
    weights = np.concatenate([each.weights for each in galleries])
    sums = np.stack([weighted_sum(each) for each in galleries])
    templates = unit_rows(sums)
    for start in range(0, len(probes), PROBES_AT_ONCE):
        part = slice(start, start + PROBES_AT_ONCE)
        vectors, own = embeddings[probes[part]], owners[probes[part]]
        without = unit_rows(sums[own] - weights[probes[part], np.newaxis] * vectors)
        compared = vectors @ templates.T
        compared[np.arange(len(own)), own] = (vectors * without).sum(axis=1)
        identity[part] = compared.argmax(axis=1)
        similarity[part] = compared.max(axis=1)
    return _Nearest(identity, similarity)


def _decided(seen: _Nearest, threshold: float | None, own: NDArray[np.int64]) -> Decided:
    rank_1 = float((seen.identity == own).mean()) if len(own) else 0.0
    if threshold is None:
        return Decided(rank_1, None, None, None, None)
    named = seen.similarity >= threshold
    right = int((named & (seen.identity == own)).sum())
    return Decided(rank_1, threshold, right, int(named.sum()) - right, int((~named).sum()))


def _answers(names: Sequence[str], seen: _Nearest, threshold: float) -> list[str | None]:
    return [
        names[row] if similarity >= threshold else None
        for row, similarity in zip(seen.identity, seen.similarity, strict=True)
    ]
