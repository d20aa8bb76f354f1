"""How all figures look: on pages light and dark, and on paper."""

from __future__ import annotations

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

GENUINE, IMPOSTOR, NEUTRAL = "#1b9e77", "#d95f02", "#888888"
"""Two colours of ColorBrewer's qualitative set Dark2, told apart by colour-blind readers."""
SIZE = 3.5, 2.6
"""Inches; 3.5 is the width of a column of most journals."""
WIDE = 7.0
"""Inches: the width of two columns."""
COLOURS = "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#994f00"
"""Of many lines: Paul Tol's qualitative scheme 'bright', told apart by colour-blind readers, with
a brown in the place of its grey."""
MARKERS = "osD^vPX*<>p1"
"""One for each line beside its colour, for print without colours."""

styled = rc_context(
    {
        "font.family": "sans-serif",
        "font.size": 7.5,
        "axes.titlesize": 8.5,
        "legend.fontsize": 7,
        "legend.frameon": False,
        "lines.linewidth": 1.3,
        "lines.markersize": 3.5,
        "svg.fonttype": "none",  # text stays text, and takes the page's font
        "pdf.fonttype": 42,  # TrueType: journals refuse Type 3
    }
)
"""Decorates a function that draws or saves a figure."""


def new_figure(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """An empty figure of `SIZE`, transparent, with grey axes."""
    figure = Figure(figsize=SIZE, layout="constrained", facecolor="none")
    axes = figure.add_subplot(title=title, xlabel=x, ylabel=y)
    dress(axes)
    return figure, axes


def dress(axes: Axes) -> None:
    """Grey lines left and below, a faint grid, no background."""
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[:].set_color(NEUTRAL)
    axes.tick_params(which="both", color=NEUTRAL, labelsize=7)
    axes.grid(color=NEUTRAL, alpha=0.2, linewidth=0.6)
