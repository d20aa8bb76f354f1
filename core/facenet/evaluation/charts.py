"""Which figures a report has, and what each shows in words."""

from __future__ import annotations

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
from facenet.pages.parts import Chart

CAPTIONS = {
    "roc": "The share of pairs of one person that is accepted, against the share of pairs of two "
    "people that is. Dots and bars: the rates of the table, with their intervals.",
    "det": "The same as errors: pairs of one person refused, against pairs of two people accepted. "
    "Lower is better; both errors are equal on the dotted line.",
    "similarity": "How similar the faces of a pair are. Where the two colours overlap, no "
    "threshold tells all pairs apart.",
    "matrix": "Each row and each column is an image. A model that recognises everyone is bright "
    "inside the frames, each of one person, and dark outside.",
    "cmc": "How often the right person is among the first people found.",
    "open-set": "Searches of enrolled people that do not find them first, against searches of "
    "others that return somebody. Lower is better.",
}
"""By the names of all charts that a report may have."""


def charts(
    summary: Summary | None, identification: Identification | None, threshold: float | None
) -> list[Chart]:
    """The figures of what was measured; a matrix only of all pairs of few images."""
    drawn = {}
    if summary:
        pairs = summary.measured.pairs
        drawn["roc"] = roc_figure(summary)
        drawn["det"] = det_figure(summary)
        drawn["similarity"] = histogram_figure(pairs, threshold)
        if fits_matrix(pairs):
            drawn["matrix"] = matrix_figure(pairs)
    if identification:
        drawn["cmc"] = cmc_figure(identification)
        drawn["open-set"] = open_set_figure(identification)
    return [Chart(name, CAPTIONS[name], figure) for name, figure in drawn.items()]
