"""The threshold that a model decides with, and how it came about."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from facenet.errors import DataError
from facenet.evaluation import (
    EDGES,
    NO_FACE,
    Counts,
    Summary,
    VerificationResult,
    histogram,
    pairs_needed,
    similarity_to_own,
)
from facenet.stored import Stored

FAR_GRID = tuple(10 ** (-step / 10) for step in range(1, 81))
"""FARs at which a calibration knows the threshold: ten a decade, as far as its pairs reach."""


class Probability(Stored):
    """From similarity to the probability that a pair is genuine, where both kinds are as frequent.

    `logistic`: 1 / (1 + exp(-(slope x similarity + intercept))). `isotonic`: linear between
    `points`, (similarity, probability), both rising. `calibration_error` is the expected
    calibration error on people that the map was not fitted on.
    """

    kind: Literal["logistic", "isotonic"]
    slope: float = 0.0
    intercept: float = 0.0
    points: tuple[tuple[float, float], ...] = ()
    calibration_error: float

    @model_validator(mode="after")
    def _check_points(self) -> Self:
        if self.kind == "isotonic" and not self.points:
            raise ValueError("an isotonic map needs points")
        return self

    def of(self, similarity: float) -> float:
        """The probability for one similarity, in 0..1."""
        if self.kind == "logistic":
            # The logistic function, in a form that no slope makes overflow.
            return (1 + math.tanh((self.slope * similarity + self.intercept) / 2)) / 2
        known, probabilities = np.array(self.points).T
        return float(np.interp(similarity, known, probabilities))


class Spread(Stored):
    """How alike faces were at calibration, as counts in the bins of `facenet.evaluation.EDGES`: of
    `genuine` pairs, and of `searches` among the other photos of all; () where pairs were listed."""

    genuine: Counts
    searches: Counts = ()

    @field_validator("genuine", "searches")
    @classmethod
    def _check_bins(cls, counts: Counts) -> Counts:
        if len(counts) not in (0, len(EDGES) - 1):
            raise ValueError(f"has {len(counts)} counts, there are {len(EDGES) - 1} bins")
        return counts


class Calibration(Stored):
    """The similarity `threshold` of a match, measured for one FAR on certain data.

    `low` to `high` is its 95 % interval, `fingerprint` the digest of the images, and `curve` has
    (FAR, threshold) for smaller FARs, which a search in a large gallery needs; `spread` is what
    later similarities are compared with.
    """

    far: float
    threshold: float
    low: float
    high: float
    genuine_pairs: int
    impostor_pairs: int
    identities: int
    data: str
    fingerprint: str
    curve: tuple[tuple[float, float], ...] = Field(default=(), repr=False)
    probability: Probability | None = None
    spread: Spread | None = Field(default=None, repr=False)

    def __str__(self) -> str:
        return f"FAR {self.far:g} on {self.impostor_pairs:,} impostor pairs of {self.data}"

    def for_gallery(self, identities: int) -> tuple[float, str]:
        """The threshold of a search among so many identities, and where it comes from.

        A probe of someone who is not enrolled is compared with every identity. For a chance of
        `far` that any of n is accepted, each may be with a chance of far / n (Bonferroni). Where
        the pairs cannot support so small a FAR, the smallest that they do takes its place.
        """
        if identities <= 1:
            return self.threshold, f"calibrated: {self}"
        wanted = self.far / identities
        points = [(self.far, self.threshold), *self.curve]
        strict = [point for point in points if point[0] <= wanted * (1 + 1e-9)]
        what = f"FAR {self.far:g} over a gallery of {identities:,}"
        if strict:
            return strict[0][1], f"calibrated: {what}, on {self.impostor_pairs:,} impostor pairs"
        far, threshold = points[-1]
        return threshold, (
            f"calibrated: FAR {far:.2g} for each of {identities:,} identities; {what} would need "
            f"{pairs_needed(wanted):,} impostor pairs, and {self.impostor_pairs:,} were measured"
        )


def calibration_fars(target: float) -> Iterator[float]:
    """The FARs that must be among a summary's for it to calibrate one."""
    yield target
    yield from (far for far in FAR_GRID if far < target)


def calibration_of(
    summary: Summary,
    far: float,
    *,
    data: str,
    fingerprint: str,
    probability: Probability | None = None,
    spread: Spread | None = None,
) -> Calibration:
    """The calibration that a summary with `calibration_fars` supports.

    Raises `DataError` when its impostor pairs cannot support the FAR, or when so many of them
    reach similarity 1 that no threshold keeps it.
    """
    exact = summary.measured.verification
    threshold = summary.thresholds.get(far)
    if threshold is None or threshold.value is None:
        raise DataError(
            f"FAR {far:g} needs {pairs_needed(far):,} impostor pairs, and there are "
            f"{exact.impostor_pairs:,}: measure on more people, or choose a larger FAR"
        )
    if threshold.value > 1 or threshold.low is None or threshold.high is None:
        raise DataError(
            f"more than a share of {far:g} of the impostor pairs have similarity 1: "
            "this model tells no one apart"
        )
    return Calibration(
        far=far,
        threshold=threshold.value,
        low=threshold.low,
        high=threshold.high,
        genuine_pairs=exact.genuine_pairs,
        impostor_pairs=exact.impostor_pairs,
        identities=summary.identities,
        data=data,
        fingerprint=fingerprint,
        curve=tuple(
            (smaller, estimate.value)
            for smaller, estimate in sorted(summary.thresholds.items(), reverse=True)
            if smaller < far and estimate.value is not None and estimate.value <= 1
        ),
        probability=probability,
        spread=spread,
    )


def spread_of(result: VerificationResult) -> Spread:
    """How alike the faces of a measurement are; those that were not found are left out."""
    pairs, data = result.summary.measured.pairs, result.data
    seen = pairs.where(pairs.genuine & (pairs.similarity > NO_FACE))
    genuine = histogram(seen.similarity, seen.weight)
    if result.listed is not None:
        return Spread(genuine=genuine)
    own = similarity_to_own(data.embeddings[data.found], data.identity[data.found])
    return Spread(genuine=genuine, searches=histogram(own))
