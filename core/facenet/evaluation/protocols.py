"""Protocols: from the embeddings of a data set to what is measured on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facenet.errors import DataError
from facenet.evaluation.all_pairs import Measured, measure_all_pairs, measure_pairs
from facenet.evaluation.bootstrap import REPLICATES
from facenet.evaluation.estimate import Estimate
from facenet.evaluation.identification import Identification, identification, templates_of
from facenet.evaluation.pairs import NO_FACE, Indices, ScoredPairs, Scores
from facenet.evaluation.pairs_file import PairsFile
from facenet.evaluation.summary import Summary, rates_at, summarize

Mask = NDArray[np.bool_]
Figures = dict[str, Estimate]


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """N images of a data set: their files, whom they show, and (N, D) float32 embeddings of unit
    length. `found`, (N,) bool, is false where no face was found: that row means nothing."""

    images: Sequence[Path]
    people: Sequence[str]
    embeddings: Scores
    found: Mask

    def __post_init__(self) -> None:
        wrong = self.found & ~np.isfinite(self.embeddings).all(axis=1)
        if wrong.any():
            raise DataError(
                f"{self.images[int(np.argmax(wrong))]}: its embedding holds NaN or infinity "
                f"({int(wrong.sum())} of {len(wrong)} images): this model cannot be measured"
            )

    @property
    def identity(self) -> Indices:
        """(N,) int: a number for each person."""
        numbers: Indices = np.unique(np.array(self.people), return_inverse=True)[1]
        return numbers

    def where(self, chosen: Mask) -> Embedded:
        """The images of which (N,) bool `chosen` is true."""
        places = np.flatnonzero(chosen).tolist()
        return Embedded(
            [self.images[place] for place in places],
            [self.people[place] for place in places],
            self.embeddings[places],
            self.found[places],
        )


OfGroup = Callable[[Mask, float | None], Figures]
"""The figures on the images of which an (N,) bool is true, and what a threshold that is given with
it lets pass there, from fewer replicates. Raises `DataError` where they are too few for that."""


@dataclass(frozen=True, slots=True, eq=False)
class VerificationResult:
    """What was measured on pairs of the images of `data`."""

    data: Embedded
    summary: Summary
    of_group: OfGroup

    @property
    def figures(self) -> Figures:
        """All figures by name."""
        return self.summary.figures


@dataclass(frozen=True, slots=True, eq=False)
class IdentificationResult:
    """What was measured by searching with the images of `data`."""

    data: Embedded
    identification: Identification
    of_group: OfGroup

    @property
    def figures(self) -> Figures:
        """All figures by name."""
        return self.identification.figures


GROUP_REPLICATES = 300


def all_pairs_result(data: Embedded, *, more_fars: Iterable[float] = ()) -> VerificationResult:
    """Verification on every pair of images."""

    def measured(part: Embedded, fars: Iterable[float] = ()) -> Measured:
        return measure_all_pairs(part.embeddings, part.identity, found=part.found, more_fars=fars)

    return VerificationResult(
        data,
        summarize(measured(data, more_fars)),
        lambda chosen, threshold: _of_group(measured(data.where(chosen)), threshold),
    )


def pairs_result(
    data: Embedded, pairs: PairsFile, *, more_fars: Iterable[float] = ()
) -> VerificationResult:
    """Verification on the listed pairs of the images of a pairs file."""
    first, second = (data.embeddings[side] for side in (pairs.first, pairs.second))
    both = data.found[pairs.first] & data.found[pairs.second]
    similarity = np.where(both, np.einsum("pd,pd->p", first, second), np.float32(NO_FACE))
    scored = ScoredPairs(similarity, pairs.first, pairs.second, data.identity, fold=pairs.fold)

    def of_group(chosen: Mask, threshold: float | None) -> Figures:
        inside = scored.where(chosen[pairs.first] & chosen[pairs.second])
        return _of_group(measure_pairs(inside), threshold)

    summary = summarize(measure_pairs(scored, more_fars=more_fars))
    return VerificationResult(data, summary, of_group)


def _of_group(measured: Measured, threshold: float | None) -> Figures:
    figures = summarize(measured, count=GROUP_REPLICATES).figures
    if threshold is None:
        return figures
    at_threshold = rates_at(measured, threshold, count=GROUP_REPLICATES)
    return figures | {f"{name}_at_threshold": rate for name, rate in at_threshold.items()}


def identification_result(gallery: Embedded, probes: Embedded) -> IdentificationResult:
    """Search every probe among one template for each person of the gallery."""
    enrolled = gallery.where(gallery.found)
    if not enrolled.people:
        raise DataError("no face was found in any image of the gallery")
    numbers = {
        name: number for number, name in enumerate(sorted({*gallery.people, *probes.people}))
    }
    templates, people = templates_of(
        enrolled.embeddings, np.array([numbers[name] for name in enrolled.people])
    )

    def searched(part: Embedded, count: int) -> Identification:
        truth = np.array([numbers[name] for name in part.people], np.int64)
        return identification(
            templates,
            people,
            part.embeddings[part.found],
            truth[part.found],
            unseen=truth[~part.found],
            count=count,
        )

    return IdentificationResult(
        probes,
        searched(probes, REPLICATES),
        lambda chosen, _threshold: searched(probes.where(chosen), GROUP_REPLICATES).figures,
    )


def halves(data: Embedded) -> tuple[Embedded, Embedded]:
    """Of each person's images every second one for the gallery, the others as probes."""
    order: dict[str, int] = {}
    odd = np.zeros(len(data.people), bool)
    for place, person in enumerate(data.people):
        odd[place] = order.setdefault(person, 0) % 2 == 1
        order[person] += 1
    return data.where(~odd), data.where(odd)
