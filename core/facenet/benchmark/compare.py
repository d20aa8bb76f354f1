"""Which of two models is better on the same images: paired differences, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from facenet.benchmark.records import RunKey, RunResult, read_embeddings, run_folder
from facenet.benchmark.state import RunState, read_state
from facenet.benchmark.summary import Candidate, over_seeds
from facenet.errors import DataError
from facenet.evaluation import Embedded, Estimate, Figures, measure_all_pairs
from facenet.evaluation.replicates import Replicated, replicated
from facenet.evaluation.summary import differences
from facenet.records import Record

Verdict = Literal["better", "worse", "no difference shown"]
NO_DIFFERENCE: Verdict = "no difference shown"
LOWER_IS_BETTER = ("eer", "fnir")
"""How the names of such figures begin."""


@dataclass(frozen=True, slots=True)
class Difference(Record):
    """A figure of two models, and b - a with the 95 % interval of the paired difference.

    `verdict` says what b is: where 0 lies in the interval, no difference is shown.
    """

    figure: str
    a: float
    b: float
    change: Estimate
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ComparedRuns(Record):
    """Two runs of one name, measured on the same held-out images."""

    run: str
    images: int
    people: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Comparison(Record):
    """The sweeps in two folders: the runs that both have, in the order of `a`, and one line for
    each run that could not be compared."""

    a: Path
    b: Path
    compared: tuple[ComparedRuns, ...]
    not_compared: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate of a sweep, and its differences from the best one, a: none of that one itself,
    nor where embeddings or a common seed are missing."""

    candidate: Candidate
    is_best: bool
    differences: tuple[Difference, ...]

    @property
    def accuracy(self) -> Difference | None:
        """The difference of what candidates are ranked by."""
        return next((each for each in self.differences if each.figure == "accuracy"), None)


def compare_models(a: Embedded, b: Embedded) -> tuple[Difference, ...]:
    """Accuracy, ROC AUC, EER and TAR at FARs of two models, on all pairs of the same images.

    Intervals come from a bootstrap that draws the same people for both. An image in which a model
    found no face counts against it. Raises `DataError` when the images are not the same, or make
    no genuine or no impostor pair.
    """
    if list(a.images) != list(b.images) or list(a.people) != list(b.people):
        raise DataError("the images of the two models are not the same")
    return _differences(_replicated(a), _replicated(b))


def compare_sweeps(a: Path, b: Path) -> Comparison:
    """Compare each run of the sweep in folder `a` with that of the same name in `b`: of the same
    backbone, embedding size, miner and seed.

    Raises `DataError` when one of the folders holds no sweep.
    """
    ours, theirs = ({run.key.name: run for run in read_state(folder).runs} for folder in (a, b))
    compared, not_compared = [], []
    for name in dict.fromkeys([*ours, *theirs]):
        try:
            compared.append(_compared(name, (a, ours.get(name)), (b, theirs.get(name))))
        except DataError as error:
            not_compared.append(f"{name}: {error}")
    return Comparison(a, b, tuple(compared), tuple(not_compared))


def compare_with_best(output: Path, candidates: Sequence[Candidate]) -> list[Ranked]:
    """Compare the candidates of the sweep in `output`, best first, with the first one.

    Where both have several seeds in common the intervals are over seeds, else over people.
    """

    @cache
    def figures_of(key: RunKey) -> Replicated | None:
        data = held_out(run_folder(output, key))
        return _replicated(data) if data else None

    def against(best: Candidate, other: Candidate) -> tuple[Difference, ...]:
        seeds = {run.run.key.seed: run for run in best.runs}
        common = [(seeds[run.run.key.seed], run) for run in other.runs if run.run.key.seed in seeds]
        if len(common) > 1:
            return _over_seeds(
                *([run.figures for run in side] for side in zip(*common, strict=True))
            )
        for one, another in common:
            first, second = figures_of(one.run.key), figures_of(another.run.key)
            if first and second:
                return _differences(first, second)
        return ()

    return [
        Ranked(each, place == 0, against(candidates[0], each) if place else ())
        for place, each in enumerate(candidates)
    ]


def held_out(folder: Path) -> Embedded | None:
    """The held-out images of the run in a folder, in order of path; None where it has none yet."""
    found = read_embeddings(folder)
    if found is None:
        return None
    places = [place for place in np.argsort(found.images) if found.held_out[place]]
    return Embedded(
        [Path(found.images[place]) for place in places],
        [found.people[place] for place in places],
        found.embeddings[places],
        np.ones(len(places), bool),
    )


def _compared(name: str, *sides: tuple[Path, RunState | None]) -> ComparedRuns:
    (first, a), (second, b) = (_finished(*side) for side in sides)
    # Other photos may have the same names.
    if first.run.data != second.run.data:
        raise DataError("the images of data.root are not the same in both sweeps")
    return ComparedRuns(name, len(a.images), len({*a.people}), compare_models(a, b))


def _finished(folder: Path, run: RunState | None) -> tuple[RunResult, Embedded]:
    if run is None:
        raise DataError(f"is not in {folder}")
    if run.stage == "failed":
        raise DataError(f"failed in {folder}")
    data = held_out(run_folder(folder, run.key))
    if run.result is None or data is None:
        raise DataError(f"is not finished in {folder}")
    return run.result, data


def _replicated(data: Embedded) -> Replicated:
    return replicated(measure_all_pairs(data.embeddings, data.identity, found=data.found))


def _differences(a: Replicated, b: Replicated) -> tuple[Difference, ...]:
    return tuple(
        Difference(name, a.values[name], b.values[name], change, _verdict(name, change))
        for name, change in differences(a, b).items()
    )


def _over_seeds(a: Sequence[Figures], b: Sequence[Figures]) -> tuple[Difference, ...]:
    """Of the figures of two candidates, each with the same seeds."""
    found = []
    for name in a[0]:
        ours, theirs = ([figures[name] for figures in side] for side in (a, b))
        first, second = over_seeds(ours).value, over_seeds(theirs).value
        if first is not None and second is not None:
            changes = [
                Estimate((after.value or 0) - (before.value or 0))
                for before, after in zip(ours, theirs, strict=True)
            ]
            change = over_seeds(changes, lowest=-1.0)
            found.append(Difference(name, first, second, change, _verdict(name, change)))
    return tuple(found)


def _verdict(figure: str, change: Estimate) -> Verdict:
    if change.low is None or change.high is None or change.low <= 0 <= change.high:
        return NO_DIFFERENCE
    return "better" if (change.low > 0) != figure.startswith(LOWER_IS_BETTER) else "worse"
