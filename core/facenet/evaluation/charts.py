"""Which figures a report has, and what each shows in words."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure

from facenet.evaluation.figures import (
    cmc_figure,
    det_figure,
    fits_matrix,
    histogram_figure,
    matrix_figure,
    open_set_figure,
    roc_figure,
)
from facenet.evaluation.identification import Identification
from facenet.evaluation.summary import Summary

NAMES = ("roc", "det", "similarity", "matrix", "cmc", "open-set")

_ROC = (
    "The share of pairs of one person that is accepted, against the share of pairs of two people "
    "that is. Dots and bars: the rates of the table, with their intervals."
)
_DET = (
    "The same as errors: pairs of one person refused, against pairs of two people accepted. "
    "Lower is better; both errors are equal on the dotted line."
)
_SIMILARITY = (
    "How similar the faces of a pair are. Where the two colours overlap, no threshold tells all "
    "pairs apart."
)
_MATRIX = (
    "Each row and each column is an image. A model that recognises everyone is bright inside the "
    "frames, each of one person, and dark outside."
)
_CMC = "How often the right person is among the first people found."
_OPEN_SET = (
    "Searches of enrolled people that do not find them first, against searches of others that "
    "return somebody. Lower is better."
)


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """A figure, the name of its files, and what it shows in words."""

    name: str
    caption: str
    figure: Figure


def charts(
    summary: Summary | None, identification: Identification | None, threshold: float | None
) -> list[Chart]:
    """The figures of what was measured; a matrix only of all pairs of few images."""
    drawn = []
    if summary:
        pairs = summary.measured.pairs
        drawn += [
            Chart("roc", _ROC, roc_figure(summary)),
            Chart("det", _DET, det_figure(summary)),
            Chart("similarity", _SIMILARITY, histogram_figure(pairs, threshold)),
        ]
        if fits_matrix(pairs):
            drawn.append(Chart("matrix", _MATRIX, matrix_figure(pairs)))
    if identification:
        drawn += [
            Chart("cmc", _CMC, cmc_figure(identification)),
            Chart("open-set", _OPEN_SET, open_set_figure(identification)),
        ]
    return drawn
