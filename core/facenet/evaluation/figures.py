"""Figures of verification and identification, for pages light and dark, and for paper.

Each is a matplotlib figure as wide as a column of a paper, without a background of its own.
`facenet.pages.page` makes an <svg>, a PNG and a PDF of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from facenet.evaluation.drift import Drift
from facenet.evaluation.estimate import Estimate
from facenet.evaluation.identification import Identification
from facenet.evaluation.pairs import NO_FACE, ScoredPairs, Scores
from facenet.evaluation.summary import Summary
from facenet.evaluation.wording import percent, supported
from facenet.pages.style import GENUINE, IMPOSTOR, NEUTRAL, SIZE, dress, new_figure, styled

INTERVAL = "95 % interval"
MOST_IN_MATRIX = 200
"""Images whose similarities a figure of this width can still show one by one."""


@styled
def roc_figure(summary: Summary) -> Figure:
    """TAR against FAR with its interval; FAR is logarithmic and ends where the data does."""
    result, band = summary.measured.verification, summary.band
    figure, axes = new_figure(
        "Receiver operating characteristic", "false accept rate (FAR)", "true accept rate (TAR)"
    )
    lowest = 1 / result.impostor_pairs
    shown = result.far >= lowest
    axes.fill_between(
        band.far, band.low, band.high, color=GENUINE, alpha=0.2, linewidth=0, label=INTERVAL
    )
    axes.plot(result.far[shown], result.tar[shown], color=GENUINE)
    stated = supported(summary.figures, "tar_at_far_")
    _error_bars(axes, stated)
    for far, estimate in stated.items():
        tar = estimate.value or 0.0
        below = tar > 0.15
        axes.annotate(
            percent(tar),
            (far, tar),
            (4, -4 if below else 4),
            textcoords="offset points",
            va="top" if below else "bottom",
        )
    chance = np.geomspace(lowest, 1)
    axes.plot(chance, chance, color=NEUTRAL, linestyle=":", label="chance")
    axes.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.02))
    axes.legend()
    return figure


@styled
def det_figure(summary: Summary) -> Figure:
    """FNMR = 1 - TAR against FAR, both logarithmic, with the interval and the equal error rate."""
    result, band = summary.measured.verification, summary.band
    figure, axes = new_figure(
        "Detection error tradeoff", "false accept rate (FAR)", "false non-match rate (FNMR)"
    )
    lowest = 1 / result.impostor_pairs, 1 / result.genuine_pairs
    _error_curve(axes, result.far, 1 - result.tar, lowest)
    floor = axes.get_ylim()[0]
    axes.fill_between(
        band.far,
        np.maximum(1 - band.high, floor),
        np.maximum(1 - band.low, floor),
        color=GENUINE,
        alpha=0.2,
        linewidth=0,
        label=INTERVAL,
    )
    _error_bars(
        axes,
        {
            far: Estimate(1 - (tar.value or 0.0), _other(tar.high), _other(tar.low), tar.n)
            for far, tar in supported(summary.figures, "tar_at_far_").items()
        },
    )
    axes.plot([floor, 1], [floor, 1], color=NEUTRAL, linestyle=":")
    if result.eer > max(lowest):
        axes.plot(
            result.eer, result.eer, "D", color=NEUTRAL, label=f"EER {percent(result.eer)}", zorder=3
        )
    axes.legend()
    return figure


@styled
def histogram_figure(pairs: ScoredPairs, threshold: float | None) -> Figure:
    """How similar genuine and impostor pairs are, as densities, with the threshold between: above
    as they are, below on a logarithmic axis that shows the tails. Pairs in which no face was found
    have no similarity and are left out."""
    figure = Figure(figsize=SIZE, layout="constrained", facecolor="none")
    upper, lower = figure.subplots(2, sharex=True)
    upper.set_title("Similarity of pairs")
    lower.set(xlabel="cosine similarity", yscale="log")
    figure.supylabel("density (below: logarithmic)", fontsize=7.5)
    seen = pairs.where(pairs.similarity > NO_FACE)
    lowest, highest = float(seen.similarity.min()), float(seen.similarity.max())
    bins = np.linspace(lowest - 1e-3, highest + 1e-3, 60)
    for axes in (upper, lower):
        dress(axes)
        for kind, color, label in (
            (~seen.genuine, IMPOSTOR, "two people"),
            (seen.genuine, GENUINE, "one person"),
        ):
            part = seen.where(kind)
            if not len(part):
                continue
            density, _ = np.histogram(part.similarity, bins, weights=part.weight, density=True)
            axes.stairs(density, bins, color=color, alpha=0.55, fill=True, label=label)
            axes.stairs(density, bins, color=color, linewidth=0.8)
        if threshold is not None:
            axes.axvline(
                threshold, color=NEUTRAL, linestyle="--", label=f"threshold {threshold:.2f}"
            )
    upper.set_ylim(bottom=0)
    figure.legend(*upper.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@styled
def drift_figure(found: Mapping[str, Drift]) -> Figure:
    """For each operation how similarities are spread, at calibration and now, as densities."""
    figure = Figure(figsize=(SIZE[0] * len(found), SIZE[1]), layout="constrained", facecolor="none")
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for axes, (operation, each) in zip(panels, found.items(), strict=True):
        dress(axes)
        psi = "too few" if each.psi is None else f"PSI {each.psi:.3f}, {each.verdict}"
        axes.set(title=f"{operation}: {psi}", xlabel="cosine similarity", ylabel="density")
        if not each.bins:
            continue
        edges = [each.bins[0].low, *(part.high for part in each.bins)]
        for label, color, shares in (
            (f"{each.before:,} at calibration", NEUTRAL, [part.before for part in each.bins]),
            (f"{each.now:,} recently", IMPOSTOR, [part.now for part in each.bins]),
        ):
            axes.stairs(np.array(shares) / np.diff(edges), edges, color=color, label=label)
        axes.margins(y=0.3)
        axes.legend(loc="upper left")
    return figure


def fits_matrix(pairs: ScoredPairs) -> bool:
    """Whether these are all pairs of few enough images."""
    images = len(np.union1d(pairs.first, pairs.second))
    return images <= MOST_IN_MATRIX and len(pairs) == images * (images - 1) // 2


@styled
def matrix_figure(pairs: ScoredPairs) -> Figure:
    """The similarity of every image to every other, ordered by identity, each identity framed."""
    images = np.union1d(pairs.first, pairs.second)
    order = images[np.argsort(pairs.identity[images], kind="stable")]
    place = np.zeros(len(pairs.identity), np.int64)
    place[order] = np.arange(len(order))
    matrix = np.full((len(order), len(order)), np.nan)
    similarity = np.where(pairs.similarity > NO_FACE, pairs.similarity, np.nan)
    for rows, columns in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        matrix[place[rows], place[columns]] = similarity

    figure, axes = new_figure("Every image with every other", "image, ordered by identity", "")
    axes.grid(visible=False)
    shown = axes.imshow(matrix, cmap="viridis", interpolation="nearest")
    starts = np.flatnonzero(np.diff(pairs.identity[order], prepend=np.nan))
    for start, end in zip(starts, np.append(starts[1:], len(order)), strict=True):
        x, y = np.array([start, end, end, start, start]), np.array([start, start, end, end, start])
        axes.plot(x - 0.5, y - 0.5, color=IMPOSTOR, linewidth=0.7, clip_on=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))
    bar = figure.colorbar(shown, ax=axes, label="cosine similarity")
    bar.outline.set_visible(False)
    bar.ax.tick_params(color=NEUTRAL, labelsize=7)
    return figure


@styled
def cmc_figure(result: Identification) -> Figure:
    """The share of searches with the right person among the first 1, 2, 3, ... found."""
    figure, axes = new_figure(
        "Cumulative match characteristic", "rank", "right person found by then"
    )
    ranks = np.arange(1, len(result.hits) + 1)
    axes.plot(ranks, result.hits, ".-", color=GENUINE)
    stated = supported(result.figures, "rank_")
    _error_bars(
        axes, {rank: share for rank, share in stated.items() if rank <= len(ranks)}, INTERVAL
    )
    lowest = min(float(result.hits[0]), stated[1].low or 0.0)
    axes.set(xlim=(0.5, len(ranks) + 0.5), ylim=(np.floor(max(lowest - 0.02, 0) * 10) / 10, 1.01))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f} %"))
    axes.legend(loc="lower right")
    return figure


@styled
def open_set_figure(result: Identification) -> Figure:
    """FNIR against FPIR, both logarithmic: people missed, against strangers taken for someone."""
    figure, axes = new_figure(
        "Open-set identification",
        "false positive identification rate (FPIR)",
        "false negative identification rate (FNIR)",
    )
    _error_curve(axes, result.fpir, result.fnir, (1 / result.non_mated, 1 / result.mated))
    stated = supported(result.figures, "fnir_at_fpir_")
    _error_bars(axes, stated, INTERVAL)
    if stated:
        axes.legend()
    return figure


def _error_curve(axes: Axes, x: Scores, y: Scores, lowest: tuple[float, float]) -> None:
    """One error rate against another on logarithmic axes that end at half of one error; the
    curve rests on the lower end where there is none."""
    floor = lowest[1] / 2
    shown = x >= lowest[0] * (1 - 1e-9)
    axes.set(xscale="log", yscale="log", xlim=(lowest[0], 1), ylim=(floor, 1))
    axes.plot(x[shown], np.maximum(y[shown], floor), color=GENUINE, clip_on=False)


def _error_bars(axes: Axes, estimates: Mapping[float, Estimate], label: str = "") -> None:
    """Estimates and their intervals; keys are places on the x axis. `label` is for the legend."""
    floor = axes.get_ylim()[0] if axes.get_yscale() == "log" else 0.0
    for x, estimate in estimates.items():
        value, low, high = (
            max(number or 0.0, floor) for number in (estimate.value, estimate.low, estimate.high)
        )
        axes.errorbar(
            x,
            value,
            [[value - low], [high - value]],
            fmt="o",
            color=IMPOSTOR,
            capsize=2,
            label=label,
        )
        label = ""  # one entry for all


def _other(share: float | None) -> float | None:
    return None if share is None else 1 - share
