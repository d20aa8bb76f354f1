"""`facenet store drift`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.options import PATH, config_options, json_option, open_recognizer
from facenet.cli.output import print_json, print_table, progress, report_skipped
from facenet.errors import RequestError
from facenet.paths import checked_output_file, write_whole

if TYPE_CHECKING:
    from facenet.evaluation import Counts, Drift
    from facenet.recognition import Recognizer
    from facenet.recognition.drift import Operation

_KEY = "FACENET_KEY"
_WAIT = 10
"""Seconds that a service may take to answer."""
_COMPARED = {
    "search": "best matches of searches above the threshold",
    "verify": "pairs above the threshold",
}
_MEANING = {
    "stable": "as at calibration",
    "moved": "something has changed: look at recent photos",
    "drifted": "no longer the faces that the threshold was measured on: calibrate on recent photos",
    "too few": "too few scores for a verdict",
}


@click.command("drift")
@config_options("inference")
@click.option(
    "--metrics",
    metavar="ADDRESS|FILE",
    help="What the service has answered: its /metrics, or a file of it. An API key is taken from "
    f"{_KEY}.",
)
@click.option("--images", type=PATH, help="Or a folder of photos to search for in the gallery.")
@click.option("--figure", type=PATH, help="Also draw the histograms: a .png or .pdf file.")
@json_option
def drift(
    config: Path,
    overrides: tuple[str, ...],
    metrics: str | None,
    images: Path | None,
    figure: Path | None,
    as_json: bool,
) -> int:
    """Compare recent similarities with those at calibration.

    Exit code 1 when some have drifted: their population stability index is 0.25 or more.
    """
    if (metrics is None) == (images is None):
        raise click.UsageError(
            "name the similarities: --metrics ADDRESS or FILE, or --images FOLDER"
        )
    if figure is not None:
        if figure.suffix not in (".png", ".pdf"):
            raise RequestError(f"--figure {figure}: must end in .png or .pdf")
        checked_output_file(figure)
    recent: dict[Operation, Counts] = {} if metrics is None else _of_service(metrics)
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.drift import drift_since_calibration

        if images is not None:
            recent["search"] = _searched(recognizer, images)
        found: dict[str, Drift] = {
            operation: drift_since_calibration(recognizer, operation, counts)
            for operation, counts in recent.items()
        }
    if figure is not None:
        _draw(found, figure)
    if as_json:
        print_json(found)
    else:
        for operation, each in found.items():
            _print(operation, each)
    return 1 if any(each.verdict == "drifted" for each in found.values()) else 0


def _of_service(place: str) -> dict[Operation, Counts]:
    from prometheus_client.parser import text_string_to_metric_families

    from facenet.recognition.drift import METRIC, counts_in

    text = _fetched(place) if place.startswith(("http://", "https://")) else _read(Path(place))
    try:
        found = counts_in(text_string_to_metric_families(text))
    except ValueError as error:
        raise RequestError(f"--metrics {place}: not the metrics of a service: {error}") from error
    if not found:
        raise RequestError(f"--metrics {place}: has no {METRIC} yet: nothing was searched for")
    return found


def _read(path: Path) -> str:
    if not path.is_file():
        raise RequestError(f"--metrics {path}: no such file; an address begins with http://")
    return path.read_text("utf-8", errors="replace")


def _fetched(address: str) -> str:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    key = os.environ.get(_KEY)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with urlopen(Request(address, headers=headers), timeout=_WAIT) as answer:
            content: bytes = answer.read()
    except HTTPError as error:
        advice = f"; set {_KEY} to an API key of it" if error.code in (401, 403) else ""
        raise RequestError(
            f"--metrics {address}: answers {error.code} {error.reason}{advice}"
        ) from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise RequestError(f"--metrics {address}: no service answers: {reason}") from error
    return content.decode("utf-8", errors="replace")


def _searched(recognizer: Recognizer, folder: Path) -> Counts:
    """The best match of each face of the photos below a folder."""
    import numpy as np

    from facenet.errors import DataError, ImageError
    from facenet.evaluation import histogram
    from facenet.imaging import image_files

    paths = image_files(folder)
    if not paths:
        raise DataError(f"{folder}: no image below it")
    best: list[float] = []
    failures: list[str] = []
    with progress("searching") as update:
        for done, (_, answer) in enumerate(recognizer.search_each(paths, top_k=1), start=1):
            if isinstance(answer, ImageError):
                failures.append(str(answer))
            else:
                best += [face.matches[0].similarity for face in answer if face.matches]
            update(done, len(paths))
    report_skipped("image", failures)
    return histogram(np.array(best))


def _draw(found: Mapping[str, Drift], figure: Path) -> None:
    from facenet.evaluation.figures import drift_figure
    from facenet.pages.page import to_file

    write_whole(figure, to_file(drift_figure(found), figure.suffix[1:]))


def _print(operation: str, found: Drift) -> None:
    rows = [
        (f"{each.low:+.2f} to {each.high:+.2f}", f"{each.before:.1%}", f"{each.now:.1%}")
        for each in found.bins
    ]
    if rows:
        title = f"{operation}: {_COMPARED[operation]}"
        print_table(["similarity", "at calibration", "recently"], rows, title)
    figures = f"{found.now:,} against {found.before:,} at calibration"
    if found.psi is not None:
        figures += f", PSI {found.psi:.3f}, by chance up to {found.by_chance:.3f}"
    click.echo(f"{operation}: {_MEANING[found.verdict]} ({figures})")
