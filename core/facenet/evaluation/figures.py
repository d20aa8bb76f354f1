"""Figures of verification results, as matplotlib figures that suit light and dark pages."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from facenet.evaluation.pairs import Scores
from facenet.evaluation.verification import Verification

if TYPE_CHECKING:
    from numpy.typing import NDArray

GENUINE, IMPOSTOR, NEUTRAL = "#1b9e77", "#d95f02", "#888888"
"""Two colours of ColorBrewer's qualitative set Dark2, told apart by colour-blind readers."""


def new_figure(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """An empty figure, 5 x 3.4 inches, transparent, with grey axes."""
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot(title=title, xlabel=x, ylabel=y)
    axes.patch.set_alpha(0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(NEUTRAL)
    axes.tick_params(color=NEUTRAL)
    axes.grid(color=NEUTRAL, alpha=0.2)
    return figure, axes


def to_svg(figure: Figure) -> str:
    """An <svg> element to be put into a page; its text is text and takes the page's fonts."""
    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def roc_figure(result: Verification) -> Figure:
    """TAR against FAR, FAR on a logarithmic axis that ends where the data's support does."""
    figure, axes = new_figure("Receiver operating characteristic", "FAR", "TAR")
    lowest = 1 / result.impostor_pairs
    shown = result.far >= lowest
    axes.plot(result.far[shown], result.tar[shown], color=GENUINE, linewidth=2)
    points = [point for point in result.operating_points.values() if point]
    axes.scatter([p.far for p in points], [p.tar for p in points], color=IMPOSTOR, zorder=3)
    for point in points:
        axes.annotate(
            f"{point.tar:.2f}", (point.far, point.tar), (6, -12), textcoords="offset points"
        )
    chance = np.geomspace(lowest, 1)
    axes.plot(chance, chance, color=NEUTRAL, linestyle=":", label="chance")
    axes.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.02))
    axes.legend(frameon=False, loc="lower right")
    return figure


def histogram_figure(
    similarity: Scores, genuine: NDArray[np.bool_], threshold: float | None
) -> Figure:
    """How similar genuine and impostor pairs are, as densities, with the threshold between."""
    figure, axes = new_figure("Similarity of pairs", "cosine similarity", "density")
    bins = np.linspace(float(similarity.min()), 1, 50).tolist()
    for mask, color, label in (
        (~genuine, IMPOSTOR, "two people"),
        (genuine, GENUINE, "one person"),
    ):
        axes.hist(similarity[mask], bins, density=True, color=color, alpha=0.6, label=label)
    if threshold is not None:
        axes.axvline(threshold, color=NEUTRAL, linestyle="--", label=f"threshold {threshold:.2f}")
    axes.legend(frameon=False)
    return figure
