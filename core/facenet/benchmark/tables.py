"""What a sweep says, in sentences and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from facenet.benchmark.compare import NO_DIFFERENCE, Ranked
from facenet.benchmark.records import RunResult, Sweep
from facenet.benchmark.summary import Candidate, Cost, not_finished
from facenet.config import BenchmarkConfig
from facenet.evaluation.wording import in_percent, label
from facenet.pages.parts import Row, Table
from facenet.text import count, duration

_OVER_PEOPLE = "95 % intervals over people"
_OVER_SEEDS = "Student's 95 % intervals over seeds, around their mean"
_BESIDE_BEST = (
    "Best first, on people that no network was trained on, with {}. A difference from the best is "
    "paired: both are measured on the same people. Where its interval holds 0, no difference is "
    "shown (≈). Each comparison stands alone: of twenty networks as good as the best, one is "
    "expected to look worse by chance."
)
_COSTS: dict[Cost, tuple[str, str]] = {
    "parameters": ("parameters", "{:,.0f}"),
    "flops": ("FLOPs for a face", "{:,.0f}"),
    "latency_ms": ("latency (ms)", "{:.2f}"),
    "throughput": ("throughput (faces/s)", "{:,.0f}"),
}
"""How costs are called, and written."""
_HOW_MEASURED = (
    "Latency is the median time of one face alone; throughput is that of whole batches. A "
    "multiplication with its addition is two FLOPs."
)


def intervals(candidates: Sequence[Candidate]) -> str:
    """What the intervals of the figures are."""
    return _OVER_SEEDS if any(len(each.runs) > 1 for each in candidates) else _OVER_PEOPLE


def reading(sweep: Sweep, results: Sequence[RunResult], ranked: Sequence[Ranked]) -> list[str]:
    """What came of the sweep, in sentences."""
    failed = sum(result.status == "failed" for result in results)
    waiting = len(not_finished(sweep, results))
    done = f"{len(results) - failed} of {count(len(sweep.runs), 'run')} finished"
    done += f", {failed} failed" if failed else ""
    done += f", {waiting} still to come: all of this is preliminary" if waiting else ""
    if not ranked:
        return [f"{done}."]
    best = ranked[0].candidate
    most = f"The most accurate network is {_named(best)}: {in_percent(best.accuracy)}."
    equal = [each.candidate for each in ranked if _is_equal(each)]
    return [f"{done}.", most, *_faster(best, equal)]


def tables(ranked: Sequence[Ranked]) -> list[Table]:
    """Of the networks: accuracy beside that of the best, all other figures, and costs."""
    if not ranked:
        return []
    candidates = [each.candidate for each in ranked]
    names = [
        name
        for name in candidates[0].runs[0].figures
        if name != "accuracy" and any(each.figure(name).value is not None for each in candidates)
    ]
    headings = [heading for heading, _ in _COSTS.values()]
    return [
        _table(
            "Accuracy",
            ["accuracy", "difference from the best", ""],
            [(each.candidate, _beside_best(each)) for each in ranked],
            _BESIDE_BEST.format(intervals(candidates)),
        ),
        _table(
            "Further figures",
            [label(name) for name in names],
            [(each, [str(each.figure(name)) for name in names]) for each in candidates],
        ),
        _table(
            "Costs",
            [*headings, "training"],
            [(each, _costs(each)) for each in candidates],
            _HOW_MEASURED,
        ),
    ]


def facts(results: Sequence[RunResult], config: BenchmarkConfig) -> list[Row]:
    """What was measured, and with what."""
    done = [result for result in results if result.status == "done"]
    with_what = [result.speed.measured_with for result in done if result.speed]
    return [
        ("data", config.training.data.root.name),
        ("held-out people", _span(result.identities for result in done)),
        ("genuine pairs", _span(result.genuine_pairs for result in done)),
        ("impostor pairs", _span(result.impostor_pairs for result in done)),
        ("speed measured on", ", ".join(sorted({each.device for each in with_what})) or "-"),
        ("batch of the throughput", _span(each.batch_size for each in with_what)),
        ("side of a face", f"{_span(each.image_size for each in with_what)} pixels"),
    ]


def _table(
    title: str,
    headings: Sequence[str],
    rows: Sequence[tuple[Candidate, list[str]]],
    note: str = "",
) -> Table:
    """A row for each network, which says its miner where there are several."""
    several = len({candidate.network.miner for candidate, _ in rows}) > 1
    named = ["backbone", "size", "miner"][: 3 if several else 2]
    return Table(
        title,
        [*named, *headings],
        [[*map(str, candidate.network[: len(named)]), *cells] for candidate, cells in rows],
        note,
    )


def _beside_best(each: Ranked) -> list[str]:
    accuracy, beside = str(each.candidate.accuracy), each.accuracy
    if each.is_best:
        return [accuracy, "", "the best"]
    if beside is None:
        return [accuracy, "", "not compared"]
    return [accuracy, str(beside.change), ("≈ " if _is_equal(each) else "") + beside.verdict]


def _is_equal(each: Ranked) -> bool:
    return each.accuracy is not None and each.accuracy.verdict == NO_DIFFERENCE


def _costs(candidate: Candidate) -> list[str]:
    costs = [(candidate.cost(name), form) for name, (_, form) in _COSTS.items()]
    shown = ["-" if cost is None else form.format(cost) for cost, form in costs]
    return [*shown, duration(candidate.training_seconds)]


def _faster(best: Candidate, equal: Sequence[Candidate]) -> list[str]:
    """On the fastest network that is not shown to be less accurate than the best one."""
    speeds = [(each.cost("latency_ms"), each) for each in (best, *equal)]
    known = [(latency, each) for latency, each in speeds if latency is not None]
    if not known:
        return []
    latency, fastest = min(known, key=lambda each: each[0])
    if fastest is best:
        return []
    return [
        f"The fastest that is not shown to be less accurate is {_named(fastest)}: "
        f"{in_percent(fastest.accuracy)}, and {latency:.2f} ms for a face."
    ]


def _named(candidate: Candidate) -> str:
    return f"{candidate.network.backbone} with {candidate.network.embedding_dim} numbers"


def _span(numbers: Iterable[int]) -> str:
    """'84', or '80 to 84' where runs differ."""
    found = sorted({*numbers})
    return " to ".join(f"{number:,}" for number in dict.fromkeys([*found[:1], *found[-1:]])) or "-"
