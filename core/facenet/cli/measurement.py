"""What `facenet evaluate` measured, as tables, JSON and a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.output import print_json, print_table
from facenet.text import count

if TYPE_CHECKING:
    from facenet.evaluation import (
        Embedded,
        Figures,
        Identification,
        IdentificationResult,
        Slice,
        Summary,
        VerificationResult,
    )
    from facenet.models import ModelCard
    from facenet.types import Image

THUMBNAIL = 128
"""Side in pixels of the pictures of a report."""


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """What was measured of a model, on which data below `root`, and how images became faces.

    `results` holds what was found on pairs, on searches, or both; pairs come first. `failures` has
    a line for each image without a usable face, `threshold` a similarity and where it comes from.
    """

    model: ModelCard
    data: str
    root: Path
    pipeline: str
    results: Sequence[VerificationResult | IdentificationResult]
    failures: Sequence[str]
    threshold: tuple[float, str] | None

    @property
    def figures(self) -> Figures:
        """All figures by name."""
        return {name: value for result in self.results for name, value in result.figures.items()}

    @property
    def images(self) -> Embedded:
        """The images that pairs are of, or that were searched with."""
        return self.results[0].data


def print_measurement(measured: Measurement, groups: Sequence[Slice]) -> None:
    """Tables for a person."""
    from facenet.evaluation import VerificationResult
    from facenet.evaluation.tables import slice_tables

    for result in measured.results:
        if isinstance(result, VerificationResult):
            print_verification(result.summary)
        else:
            print_identification(result.identification)
    for table in slice_tables(groups):
        print_table(table.headings, table.rows, table.title)


def print_verification(summary: Summary) -> None:
    """Each figure with its interval, and the threshold that reaches it."""
    from facenet.evaluation.tables import pair_rows

    exact = summary.measured.verification
    print_table(
        ["figure", "value (95 % interval)", "threshold (95 % interval)"],
        [(name, value, threshold) for name, value, _, threshold in pair_rows(summary)],
        title=f"{exact.genuine_pairs:,} genuine and {exact.impostor_pairs:,} impostor pairs of "
        f"{summary.identities:,} people\naccuracy: {summary.protocol}",
    )


def print_identification(result: Identification) -> None:
    """Ranks, and what is missed in an open set."""
    from facenet.evaluation.tables import search_rows

    print_table(
        ["figure", "value (95 % interval)"],
        [row[:2] for row in search_rows(result)],
        title=f"{result.mated:,} searches of people enrolled in a gallery of {result.gallery:,}\n"
        f"{result.non_mated:,} searches of others: {result.open_set}",
    )


def print_measurement_json(measured: Measurement, groups: Sequence[Slice]) -> None:
    """The same for a program."""
    record: dict[str, object] = {
        "model": measured.model.space,
        "data": measured.data,
        "pipeline": measured.pipeline,
        "images": len(measured.images.images),
        "failures": measured.failures,
    }
    for result in measured.results:
        record |= _details(result)
    print_json(record | {"figures": measured.figures, "slices": groups})


def _details(result: VerificationResult | IdentificationResult) -> dict[str, object]:
    from facenet.evaluation import VerificationResult

    if isinstance(result, VerificationResult):
        summary, exact = result.summary, result.summary.measured.verification
        return {
            "genuine_pairs": exact.genuine_pairs,
            "impostor_pairs": exact.impostor_pairs,
            "people": summary.identities,
            "accuracy_protocol": summary.protocol,
            # JSON has no infinity, at which no pair is accepted.
            "best_threshold": exact.best_threshold if math.isfinite(exact.best_threshold) else None,
            "thresholds": {f"{far:g}": value for far, value in summary.thresholds.items()},
        }
    searches = result.identification
    return {
        "gallery": searches.gallery,
        "mated": searches.mated,
        "non_mated": searches.non_mated,
        "open_set": searches.open_set,
    }


def write_measurement(measured: Measurement, groups: Sequence[Slice], folder: Path) -> None:
    """The report, with the hardest pairs as pictures."""
    from facenet.evaluation import VerificationResult
    from facenet.evaluation.report import Report, write_report
    from facenet.evaluation.tables import slice_tables
    from facenet.imaging import centre_square, open_photo
    from facenet.pages.machine import environment

    images = measured.images.images

    def picture(place: int) -> Image:
        return centre_square(open_photo(images[place]), THUMBNAIL)

    pairs = [result for result in measured.results if isinstance(result, VerificationResult)]
    searches = [result for result in measured.results if not isinstance(result, VerificationResult)]
    page = write_report(
        Report(
            title=f"{measured.model.network} on {measured.data}",
            facts=_facts(measured),
            summary=pairs[0].summary if pairs else None,
            identification=searches[0].identification if searches else None,
            tables=slice_tables(groups),
            threshold=measured.threshold if pairs else None,
            names=[f"{path.parent.name}/{path.name}" for path in images],
            picture=picture,
            versions=environment(),
        ),
        folder,
    )
    click.echo(f"report  {page}", err=True)


def _facts(measured: Measurement) -> list[tuple[str, str]]:
    from facenet.imaging import fingerprint

    data, model = measured.images, measured.model
    facts = [
        ("model", f"{model.network}, {model.network.embedding_dim} numbers"),
        ("embedding space", model.space),
        ("pipeline", measured.pipeline),
        ("data", measured.data),
        ("images", f"{len(data.images):,} of {count(len({*data.people}), 'person', 'people')}"),
        ("fingerprint", fingerprint(data.images, measured.root)),
        ("no usable face", f"{len(measured.failures):,} images"),
    ]
    details = [_details(result) for result in measured.results]
    for name in ("accuracy_protocol", "open_set"):
        facts += [(name.replace("_", " "), str(part[name])) for part in details if name in part]
    return facts
