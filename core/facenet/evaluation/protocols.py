"""Protocols: from the embeddings of a data set to what is measured on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
GROUP_REPLICATES = 300
"""Replicates for the figures of one group of many."""


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


@dataclass(frozen=True, slots=True, eq=False)
class VerificationResult:
    """What was measured on pairs of the images of `data`: those `listed`, or all (None)."""

    data: Embedded
    summary: Summary
    listed: ScoredPairs | None = None

    @property
    def figures(self) -> Figures:
        """All figures by name."""
        return self.summary.figures

    def of_group(self, chosen: Mask, threshold: float | None) -> Figures:
        """The figures on pairs of images of which (N,) bool `chosen` is true, and what `threshold`
        lets pass there; from fewer replicates. Raises `DataError` where they are too few."""
        if self.listed is None:
            measured = _all_pairs(self.data.where(chosen))
        else:
            inside = chosen[self.listed.first] & chosen[self.listed.second]
            measured = measure_pairs(self.listed.where(inside))
        figures = summarize(measured, count=GROUP_REPLICATES).figures
        if threshold is None:
            return figures
        rates = rates_at(measured, threshold, count=GROUP_REPLICATES)
        return figures | {f"{name}_at_threshold": rate for name, rate in rates.items()}


@dataclass(frozen=True, slots=True, eq=False)
class IdentificationResult:
    """What was measured by searching with the images of `data` in the gallery `templates`, (G, D),
    of `people`."""

    data: Embedded
    identification: Identification
    templates: Scores
    people: Sequence[str]

    @property
    def figures(self) -> Figures:
        """All figures by name."""
        return self.identification.figures

    def of_group(self, chosen: Mask, _threshold: float | None) -> Figures:
        """The figures of searches with the images of which (N,) bool `chosen` is true."""
        part = self.data.where(chosen)
        return _searched(part, self.templates, self.people, GROUP_REPLICATES).figures


def all_pairs_result(data: Embedded, *, more_fars: Iterable[float] = ()) -> VerificationResult:
    """Verification on every pair of images."""
    return VerificationResult(data, summarize(_all_pairs(data, more_fars)))


def pairs_result(
    data: Embedded, pairs: PairsFile, *, more_fars: Iterable[float] = ()
) -> VerificationResult:
    """Verification on the listed pairs of the images of a pairs file."""
    first, second = (data.embeddings[side] for side in (pairs.first, pairs.second))
    both = data.found[pairs.first] & data.found[pairs.second]
    similarity = np.where(both, np.einsum("pd,pd->p", first, second), np.float32(NO_FACE))
    scored = ScoredPairs(similarity, pairs.first, pairs.second, data.identity, fold=pairs.fold)
    return VerificationResult(data, summarize(measure_pairs(scored, more_fars=more_fars)), scored)


def identification_result(gallery: Embedded, probes: Embedded) -> IdentificationResult:
    """Search every probe among one template for each person of the gallery."""
    enrolled = gallery.where(gallery.found)
    if not enrolled.people:
        raise DataError("no face was found in any image of the gallery")
    templates, _ = templates_of(enrolled.embeddings, enrolled.identity)
    people = sorted({*enrolled.people})
    found = _searched(probes, templates, people, REPLICATES)
    return IdentificationResult(probes, found, templates, people)


def _all_pairs(data: Embedded, more_fars: Iterable[float] = ()) -> Measured:
    return measure_all_pairs(data.embeddings, data.identity, found=data.found, more_fars=more_fars)


def _searched(
    probes: Embedded, templates: Scores, people: Sequence[str], count: int
) -> Identification:
    names = sorted({*people, *probes.people})
    number = {name: place for place, name in enumerate(names)}
    truth = np.array([number[name] for name in probes.people], np.int64)
    return identification(
        templates,
        np.array([number[name] for name in people], np.int64),
        probes.embeddings[probes.found],
        truth[probes.found],
        unseen=truth[~probes.found],
        count=count,
    )


def halves(data: Embedded) -> tuple[Embedded, Embedded]:
    """Of each person's images every second one for the gallery, the others as probes."""
    order: dict[str, int] = {}
    odd = np.zeros(len(data.people), bool)
    for place, person in enumerate(data.people):
        odd[place] = order.setdefault(person, 0) % 2 == 1
        order[person] += 1
    return data.where(~odd), data.where(odd)
