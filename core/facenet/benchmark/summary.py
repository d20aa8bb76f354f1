"""What a sweep chooses among: networks, each trained with one seed or several, best first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal, NamedTuple

from scipy.special import stdtrit

from facenet.benchmark.records import RunKey, RunResult, Sweep
from facenet.evaluation import Estimate

Cost = Literal["parameters", "flops", "latency_ms", "throughput"]
"""What `Speed` has of a network."""


class Network(NamedTuple):
    """What a sweep varies, apart from seeds."""

    backbone: str
    embedding_dim: int
    miner: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network and its finished `runs`, one for each seed, in the order of the plan."""

    network: Network
    runs: tuple[RunResult, ...]

    @property
    def accuracy(self) -> Estimate:
        """The figure that candidates are ranked by."""
        return self.figure("accuracy")

    @property
    def training_seconds(self) -> float:
        """How long the training of one run took, in the mean."""
        return fmean(run.training_seconds for run in self.runs)

    def figure(self, name: str) -> Estimate:
        """A figure as its only run has it; of several runs `over_seeds`."""
        return over_seeds([run.figures[name] for run in self.runs])

    def cost(self, name: Cost) -> float | None:
        """The mean over the runs that were measured; None before any is."""
        values = [getattr(run.speed, name) for run in self.runs if run.speed]
        return fmean(values) if values else None


def candidates(results: Sequence[RunResult]) -> list[Candidate]:
    """The networks with at least one finished run, from the highest to the lowest accuracy."""
    runs: dict[Network, list[RunResult]] = {}
    for result in results:
        if result.status == "done":
            key = result.run.key
            network = Network(key.backbone, key.embedding_dim, key.miner)
            runs.setdefault(network, []).append(result)
    found = [Candidate(network, tuple(several)) for network, several in runs.items()]
    return sorted(found, key=lambda candidate: -(candidate.accuracy.value or 0))


def not_finished(sweep: Sweep, results: Sequence[RunResult]) -> list[RunKey]:
    """The planned runs without a result, in the order of the plan."""
    finished = {result.run.key.name for result in results}
    return [run.key for run in sweep.runs if run.key.name not in finished]


def over_seeds(figures: Sequence[Estimate], lowest: float = 0.0) -> Estimate:
    """One figure as it is; of several the mean, with Student's 95 % interval of that mean.

    It says what chance does to training, and to the choice of held-out people where each seed has
    a split of its own. It ends at `lowest` and at 1. What one of the runs cannot support is not
    supported.
    """
    if len(figures) == 1:
        return figures[0]
    trials = sum(figure.n for figure in figures)
    values = [figure.value for figure in figures if figure.value is not None]
    if len(values) < len(figures):
        needs = [figure.needs for figure in figures if figure.needs is not None]
        return Estimate(None, n=trials, needs=max(needs, default=None))
    mean = fmean(values)
    student = float(stdtrit(len(values) - 1, 0.975))
    reach = student * stdev(values) / math.sqrt(len(values))
    return Estimate(mean, max(mean - reach, lowest), min(mean + reach, 1.0), trials)


def pareto_front(ranked: Sequence[Candidate], cost: Cost) -> list[Candidate]:
    """The candidates that no other one beats, cheapest first; those whose cost is not known are
    left out. To beat is to be as cheap and as accurate, and better in one of both."""
    known = [
        (price, -(candidate.accuracy.value or 0), candidate)
        for candidate in ranked
        if (price := candidate.cost(cost)) is not None
    ]
    known.sort(key=lambda each: each[:2])
    return [
        candidate
        for price, loss, candidate in known
        if not any(
            other[0] <= price and other[1] <= loss and other[:2] != (price, loss) for other in known
        )
    ]
