"""The report of an evaluation: a page that needs nothing beside it, and its figures for papers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facenet.errors import RequestError
from facenet.evaluation.charts import CAPTIONS, charts
from facenet.evaluation.hardest import HardPair, least_similar_images, most_similar_strangers
from facenet.evaluation.identification import Identification
from facenet.evaluation.summary import Summary, rates_at
from facenet.evaluation.tables import pair_rows, search_rows
from facenet.evaluation.wording import (
    read_equal_errors,
    read_searches,
    read_threshold,
    shortened,
)
from facenet.pages.page import FORMS, chart_files, data_address, render, to_svg, write_files
from facenet.pages.parts import Row, Table
from facenet.paths import checked_output_folder

PAGE, FIGURES = "index.html", "figures"
MARK = '<meta name="generator" content="facenet">'
"""How a page of ours is told from any other."""
READING_REPLICATES = 300
"""Enough for an interval that is told in words."""
Picture = Callable[[int], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What a report says; any text is shown as it is.

    `facts` and `versions` are (name, text): what was measured, and on what machine. `tables` are
    further ones, `threshold` is a similarity and where it comes from. For each image that the
    pairs' indices point to, `names` says what to call it and `picture` gives an (S, S, 3) RGB
    picture; without it the hardest pairs are listed by name.
    """

    title: str
    facts: Sequence[Row]
    summary: Summary | None = None
    identification: Identification | None = None
    tables: Sequence[Table] = ()
    threshold: tuple[float, str] | None = None
    names: Sequence[str] = ()
    picture: Picture | None = None
    versions: Sequence[Row] = ()


def checked_report_folder(folder: Path) -> Path:
    """A folder that a report can be written to; raises `RequestError` where it cannot be, or where
    another program's page would be replaced."""
    checked_output_folder(folder)
    page = folder / PAGE
    if page.exists() and not _is_ours(page):
        raise RequestError(f"{page}: was not written by facenet; choose another output")
    return folder


def write_report(report: Report, folder: Path) -> Path:
    """Write index.html, and figures/<name>.png and .pdf; returns the page's path.

    A former report is replaced, figures that this one lacks included, and stays whole when this
    one is interrupted; other files in the folder are left alone. Raises `RequestError` as
    `checked_report_folder` does.
    """
    checked_report_folder(folder)
    threshold = report.threshold[0] if report.threshold else None
    drawn = charts(report.summary, report.identification, threshold)
    estimates = pair_rows(report.summary) if report.summary else []
    if report.identification:
        estimates += [[*row, ""] for row in search_rows(report.identification)]
    page = render(
        "facenet.evaluation/report.html.j2",
        report=report,
        reading=_reading(report),
        estimates=estimates,
        charts=[(to_svg(chart.figure, chart.caption), chart.caption) for chart in drawn],
        hardest=_hardest(report),
    )
    files = {f"{FIGURES}/{name}": content for name, content in chart_files(drawn).items()}
    former = [f"{FIGURES}/{name}.{form}" for name in CAPTIONS for form in FORMS]
    is_anew = (folder / PAGE).exists()
    write_files(folder, files | {PAGE: page.encode()}, instead_of=former if is_anew else ())
    return folder / PAGE


def _is_ours(page: Path) -> bool:
    return page.is_file() and MARK in page.read_text("utf-8", errors="replace")[:1000]


def _reading(report: Report) -> list[str]:
    """What the figures mean, in sentences."""
    sentences = []
    if report.summary and report.threshold:
        threshold, source = report.threshold
        rates = rates_at(report.summary.measured, threshold, count=READING_REPLICATES)
        sentences.append(read_threshold(threshold, source, rates))
    elif report.summary:
        sentences.append(read_equal_errors(report.summary.figures["eer"]))
    if report.identification:
        sentences.append(read_searches(report.identification))
    return sentences


def _hardest(report: Report) -> list[tuple[str, str, list[dict[str, object]]]]:
    """Title, explanation and pairs, of false accepts and of false rejects."""
    if report.summary is None:
        return []
    pairs = report.summary.measured.pairs
    threshold = report.threshold[0] if report.threshold else None
    return [
        (
            "Different people who look most alike to the model",
            "The pairs of different people with the highest similarity.",
            [
                _panel(report, pair, "accepted wrongly", "refused rightly")
                for pair in most_similar_strangers(pairs, threshold)
            ],
        ),
        (
            "One person who looks least alike to the model",
            "The pairs of one person with the lowest similarity; images in which no face was found "
            "are not shown.",
            [
                _panel(report, pair, "refused wrongly", "accepted rightly")
                for pair in least_similar_images(pairs, threshold)
            ],
        ),
    ]


def _panel(report: Report, pair: HardPair, wrong: str, right: str) -> dict[str, object]:
    images = (pair.first, pair.second)
    return {
        "names": [shortened(report.names[image]) for image in images],
        "pictures": [data_address(report.picture(image)) for image in images]
        if report.picture
        else [],
        "similarity": f"{pair.similarity:.4f}",
        "error": pair.error,
        "verdict": "" if pair.error is None else wrong if pair.error else right,
    }
