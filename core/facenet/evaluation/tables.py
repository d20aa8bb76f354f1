"""Figures as rows and tables, for terminals and pages."""

from __future__ import annotations

from collections.abc import Sequence

from facenet.evaluation.estimate import Estimate
from facenet.evaluation.identification import Identification
from facenet.evaluation.slices import Slice
from facenet.evaluation.summary import Summary
from facenet.evaluation.wording import label
from facenet.pages.parts import Table


def pair_rows(summary: Summary) -> list[list[str]]:
    """Name, value with interval, what it was measured on, and threshold of each figure; what the
    data cannot support says so."""
    there = f"impostor pairs; there are {summary.measured.verification.impostor_pairs:,}"
    thresholds = {f"tar_at_far_{far:g}": value for far, value in summary.thresholds.items()}
    return [
        [label(name), _value(figure, there), f"{figure.n:,} pairs", str(thresholds.get(name, ""))]
        for name, figure in summary.figures.items()
    ]


def search_rows(result: Identification) -> list[list[str]]:
    """Name, value with interval, and what it was measured on: ranks, and what is missed in an open
    set."""
    there = f"searches of others; there are {result.non_mated:,}"
    return [
        [label(name), _value(figure, there), f"{figure.n:,} searches"]
        for name, figure in result.figures.items()
    ]


def slice_tables(groups: Sequence[Slice]) -> list[Table]:
    """One table for each attribute: a row for each group, a column for each figure that at least
    one of them supports."""
    tables = []
    for column in dict.fromkeys(group.column for group in groups):
        members = [group for group in groups if group.column == column]
        figures = [pair for group in members for pair in group.figures.items()]
        names = dict.fromkeys(name for name, figure in figures if figure.value is not None)
        rows = [
            [
                group.group,
                str(group.images),
                str(group.people),
                *(str(group.figures.get(name, "too few pairs")) for name in names),
            ]
            for group in members
        ]
        headings = [column, "images", "people", *map(label, names)]
        tables.append(Table(f"By {column}", headings, rows))
    return tables


def _value(figure: Estimate, there: str) -> str:
    return f"{figure} {there}" if figure.value is None else str(figure)
