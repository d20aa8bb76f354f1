"""Figures of a sweep: accuracy against embedding size, and against what a network costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter, NullLocator, PercentFormatter

from facenet.benchmark.summary import Candidate, Cost, pareto_front
from facenet.evaluation.wording import shortened
from facenet.pages.parts import Chart
from facenet.pages.style import COLOURS, MARKERS, NEUTRAL, SIZE, WIDE, dress, styled

COSTS: dict[Cost, tuple[str, str]] = {
    "latency_ms": ("benchmark_latency", "latency of one face (ms)"),
    "parameters": ("benchmark_size", "parameters"),
}
"""What accuracy is drawn against: how its files are called, and its axis."""
_ACCURACY = "benchmark_accuracy"
NAMES = (_ACCURACY, *(name for name, _ in COSTS.values()))
"""Of the files of all charts that a sweep may have."""
_BY_SIZE = "Accuracy against embedding size. Bars, side by side where sizes are equal: {}."
_BY_COST = (
    "Accuracy against {}. Ringed, joined and labelled with their embedding sizes: the Pareto "
    "front, the networks that no other one beats in both. Bars: {}."
)
_LONGEST_NAME = 40
_FEW, _SHORT = 4, 22
"""So many names, and so long ones, have room below a figure of one column."""
_DODGED = 0.4
"""Bars of one embedding size take this share of the smallest step between two sizes."""
_LABEL = 0.1
"""The share of the axes' width that the label of a point of the Pareto front may take."""
_LOGARITHMIC_FROM = 4
"""How many times the lowest cost the highest one is where the axis is logarithmic."""

_Panel = tuple[Axes, list[Candidate]]


def charts(candidates: Sequence[Candidate], intervals: str) -> list[Chart]:
    """The figures of a sweep and their captions, which say with `intervals` what the bars are. A
    cost has a figure where it is known of a candidate."""
    if not candidates:
        return []
    drawn = [Chart(_ACCURACY, _BY_SIZE.format(intervals), accuracy_figure(candidates))]
    for cost, (name, axis) in COSTS.items():
        if pareto_front(candidates, cost):
            caption = _BY_COST.format(axis, intervals)
            drawn.append(Chart(name, caption, cost_figure(candidates, cost)))
    return drawn


@styled
def accuracy_figure(candidates: Sequence[Candidate]) -> Figure:
    """Accuracy against embedding size: a line for each backbone, a panel for each miner.

    The bars are the intervals of `Candidate.accuracy`; those of one size stand side by side.
    """
    names = _backbones(candidates)
    sizes = sorted({candidate.network.embedding_dim for candidate in candidates})
    step = min(np.diff(np.log2(sizes)), default=1)
    figure, panels = _panels(candidates, "embedding size")
    for axes, members in panels:
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(sizes[0] / 2 ** (step / 2), sizes[-1] * 2 ** (step / 2))
        for place, name in enumerate(names):
            line = sorted(_of(name, members), key=lambda each: each.network.embedding_dim)
            shift = 2 ** (_DODGED * step * ((place + 0.5) / len(names) - 0.5))
            dims = [each.network.embedding_dim * shift for each in line]
            _points(axes, line, dims, place, "-")
    return _finished(figure, panels)


@styled
def cost_figure(candidates: Sequence[Candidate], cost: Cost) -> Figure:
    """Accuracy against one of `COSTS`, of the candidates that have it; a panel for each miner.

    Those of the Pareto front are ringed, joined by a line, and labelled with their embedding size.
    """
    front = pareto_front(candidates, cost)
    known = [candidate for candidate in candidates if candidate.cost(cost) is not None]
    figure, panels = _panels(known, COSTS[cost][1])
    costs = [_place(candidate, cost)[0] for candidate in known]
    for axes, members in panels:
        if max(costs) > _LOGARITHMIC_FROM * min(costs):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        for place, name in enumerate(_backbones(candidates)):
            some = _of(name, members)
            _points(axes, some, [_place(each, cost)[0] for each in some], place, "")
        axes.margins(x=0.1, y=0.1)
        _join(axes, front, cost)
    for axes, members in panels:  # their limits, which they share, stand by now
        _mark(axes, [each for each in front if each in members], cost)
    return _finished(figure, panels)


def _backbones(candidates: Sequence[Candidate]) -> list[str]:
    """Best first: the one that is best with any embedding size."""
    return list(dict.fromkeys(candidate.network.backbone for candidate in candidates))


def _of(backbone: str, members: Sequence[Candidate]) -> list[Candidate]:
    return [each for each in members if each.network.backbone == backbone]


def _panels(candidates: Sequence[Candidate], x: str) -> tuple[Figure, list[_Panel]]:
    """Axes for each miner, one below the other, with its candidates."""
    miners = list(dict.fromkeys(candidate.network.miner for candidate in candidates))
    names = _backbones(candidates)
    beside = len(names) > _FEW or max(map(len, names)) > _SHORT
    width, height = (WIDE if beside else SIZE[0]), SIZE[1] * len(miners)
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
    rows = figure.subplots(len(miners), squeeze=False, sharex=True, sharey=True)[:, 0]
    for axes, miner in zip(rows, miners, strict=True):
        dress(axes)
        axes.set(ylabel="accuracy", title=miner if len(miners) > 1 else "")
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    rows[-1].set_xlabel(x)
    panels = [
        (axes, [each for each in candidates if each.network.miner == miner])
        for axes, miner in zip(rows, miners, strict=True)
    ]
    return figure, panels


def _points(
    axes: Axes, members: Sequence[Candidate], x: Sequence[float], place: int, linestyle: str
) -> None:
    """The accuracy of one backbone's candidates at `x`, with intervals."""
    if not members:
        return
    figures = [candidate.accuracy for candidate in members]
    values, low, high = (
        np.array([getattr(figure, name) for figure in figures], float)
        for name in ("value", "low", "high")
    )
    axes.errorbar(
        x,
        values,
        [values - low, high - values],
        color=COLOURS[place % len(COLOURS)],
        marker=MARKERS[place % len(MARKERS)],
        linestyle=linestyle,
        elinewidth=0.7,
        capsize=1.5,
        markersize=4.5,
        label=members[0].network.backbone,
    )


def _join(axes: Axes, front: Sequence[Candidate], cost: Cost) -> None:
    """The Pareto front as a line."""
    x, y = zip(*(_place(each, cost) for each in front), strict=True)
    axes.plot(x, y, color=NEUTRAL, linewidth=0.8, zorder=0, label="Pareto front")


def _mark(axes: Axes, front: Sequence[Candidate], cost: Cost) -> None:
    """Rings around the points of the front that are in these axes, and their sizes above."""
    for together in _labelled_together(axes, front, cost):
        x, y = zip(*(_place(each, cost) for each in together), strict=True)
        axes.plot(x, y, "o", markersize=9, markerfacecolor="none", color=NEUTRAL)
        sizes = ", ".join(str(each.network.embedding_dim) for each in together)
        top = x[len(x) // 2], max(each.accuracy.high or 0 for each in together)
        axes.annotate(sizes, top, (0, 2), textcoords="offset points", ha="center")


def _labelled_together(axes: Axes, front: Sequence[Candidate], cost: Cost) -> list[list[Candidate]]:
    """Neighbours of one backbone whose labels would stand on each other have one for all."""
    axes.autoscale_view()
    across = axes.transScale + axes.transLimits
    groups: list[list[Candidate]] = []
    end = 0.0
    for each in front:
        x = across.transform(_place(each, cost))[0]
        alike = bool(groups) and groups[-1][-1].network.backbone == each.network.backbone
        if alike and x - end < _LABEL:
            groups[-1].append(each)
        else:
            groups.append([each])
        end = x
    return groups


def _place(candidate: Candidate, cost: Cost) -> tuple[float, float]:
    return candidate.cost(cost) or 0, candidate.accuracy.value or 0


def _finished(figure: Figure, panels: Sequence[_Panel]) -> Figure:
    """With its legend, below or beside; accuracy ends at 1, whatever an interval says."""
    entries: dict[str, Artist] = {}
    for axes, _ in panels:
        axes.set_ylim(top=min(axes.get_ylim()[1], 1.01))
        handles, labels = axes.get_legend_handles_labels()
        entries |= zip(labels, handles, strict=True)
    handles, names = list(entries.values()), [shortened(name, _LONGEST_NAME) for name in entries]
    if figure.get_figwidth() > SIZE[0]:
        figure.legend(handles, names, loc="outside right upper")
    else:
        figure.legend(handles, names, loc="outside lower center", ncols=2)
    return figure
