"""Figures of an evaluation as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from facenet.cli.output import print_table

if TYPE_CHECKING:
    from facenet.evaluation import Estimate, Identification, Slice, Summary


def print_verification(summary: Summary) -> None:
    """Each figure with its interval, and the threshold that reaches it; what the data cannot
    support says so."""
    from facenet.evaluation.wording import label

    exact = summary.measured.verification
    thresholds = {f"tar_at_far_{far:g}": value for far, value in summary.thresholds.items()}
    print_table(
        ["figure", "value (95 % interval)", "threshold (95 % interval)"],
        [
            (label(name), _value(figure, "impostor pairs"), str(thresholds.get(name, "")))
            for name, figure in summary.figures.items()
        ],
        title=f"{exact.genuine_pairs:,} genuine and {exact.impostor_pairs:,} impostor pairs of "
        f"{summary.identities:,} people\naccuracy: {summary.protocol}",
    )


def print_identification(result: Identification) -> None:
    """Ranks, and what is missed in an open set."""
    from facenet.evaluation.wording import label

    print_table(
        ["figure", "value (95 % interval)"],
        [
            (label(name), _value(figure, "searches of others"))
            for name, figure in result.figures.items()
        ],
        title=f"{result.mated:,} searches of people enrolled in a gallery of {result.gallery:,}\n"
        f"{result.non_mated:,} searches of others: {result.open_set}",
    )


def print_slices(found: Sequence[Slice]) -> None:
    """One table for each attribute, a row for each group."""
    for column in dict.fromkeys(group.column for group in found):
        rows, names = slice_table([group for group in found if group.column == column])
        print_table([column, "images", "people", *names], rows, title=f"By {column}")


def slice_table(groups: Sequence[Slice]) -> tuple[list[list[str]], list[str]]:
    """The rows of one attribute's groups, and the headings of their figures: those that at least
    one group supports."""
    from facenet.evaluation.wording import label

    names = list(
        dict.fromkeys(
            name
            for group in groups
            for name, figure in group.figures.items()
            if figure.value is not None
        )
    )
    rows = [
        [
            group.group,
            str(group.images),
            str(group.people),
            *(_cell(group.figures, name) for name in names),
        ]
        for group in groups
    ]
    return rows, [label(name) for name in names]


def _cell(figures: Mapping[str, Estimate], name: str) -> str:
    return str(figures[name]) if name in figures else "too few pairs"


def _value(figure: Estimate, trials: str) -> str:
    return f"{figure} {trials}" if figure.value is None else str(figure)
