"""What `facenet evaluate` measured, as tables, JSON and a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.figures import print_identification, print_slices, print_verification, slice_table
from facenet.cli.output import print_json
from facenet.text import count

if TYPE_CHECKING:
    from facenet.evaluation import Embedded, Figures, IdentificationResult, VerificationResult
    from facenet.evaluation import Slice as Group
    from facenet.models import ModelCard
    from facenet.pages.parts import Table
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


def print_measurement(measured: Measurement, groups: Sequence[Group]) -> None:
    """Tables for a person."""
    from facenet.evaluation import VerificationResult

    for result in measured.results:
        if isinstance(result, VerificationResult):
            print_verification(result.summary)
        else:
            print_identification(result.identification)
    print_slices(groups)


def print_measurement_json(measured: Measurement, groups: Sequence[Group]) -> None:
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


def write_measurement(measured: Measurement, groups: Sequence[Group], folder: Path) -> None:
    """The report, with the hardest pairs as pictures."""
    from facenet.evaluation import VerificationResult
    from facenet.evaluation.report import Report, write_report
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
            tables=_tables(groups),
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


def _tables(groups: Sequence[Group]) -> list[Table]:
    from facenet.pages.parts import Table

    tables = []
    for column in dict.fromkeys(group.column for group in groups):
        rows, headings = slice_table([group for group in groups if group.column == column])
        tables.append(Table(f"By {column}", [column, "images", "people", *headings], rows))
    return tables
