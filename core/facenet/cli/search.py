"""`facenet search`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.galleries import is_empty
from facenet.cli.options import PATH, config_options, json_option, metadata_of, open_recognizer
from facenet.cli.output import print_json, print_table
from facenet.cli.pictures import check_figure, figure_option, save_figure

if TYPE_CHECKING:
    from facenet.recognition import FaceMatches

NOBODY = "nobody in the gallery is similar enough"


@click.command("search")
@click.argument("image", type=PATH)
@config_options("inference")
@click.option(
    "--top-k",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Most identities listed for a face.",
)
@click.option(
    "--min-similarity",
    type=click.FloatRange(-1, 1),
    default=-1.0,
    show_default=True,
    help="Identities that are less similar are not listed.",
)
@click.option(
    "--threshold", type=float, help="Similarity of a match; default: calibrated for the gallery."
)
@click.option(
    "--where",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only identities with this metadata, as in --where team=research; VALUE is JSON or else "
    "text; of several all must hold.",
)
@figure_option
@json_option
def command(
    image: Path,
    config: Path,
    overrides: tuple[str, ...],
    top_k: int,
    min_similarity: float,
    threshold: float | None,
    where: tuple[str, ...],
    figure: Path | None,
    as_json: bool,
) -> None:
    """Find the enrolled identities most like each face of a photo."""
    check_figure(figure, image)
    wanted = metadata_of("--where", where)
    with open_recognizer(config, overrides) as recognizer:
        photo = recognizer.pipeline.open(image)
        results = recognizer.search(
            photo,
            top_k=top_k,
            min_similarity=min_similarity,
            threshold=threshold,
            where=wanted,
        )
        empty = not any(result.matches for result in results) and is_empty(recognizer)
    if as_json:
        print_json(results)
    else:
        _print(results, "the gallery is empty" if empty else NOBODY)
    if figure is not None:
        from facenet.recognition.pictures import picture_of_search

        save_figure(figure, picture_of_search(photo, results))


def _print(results: Sequence[FaceMatches], nobody: str) -> None:
    """Each face with those most like it, or `nobody`; of several faces, first who is who."""
    several = len(results) > 1
    if several:
        _print_summary(results)
    for number, result in enumerate(results, start=1):
        face = f"face {number} of {len(results)} at ({_box(result)})"
        rows = [(match.identity, match.similarity, match.samples) for match in result.matches]
        if rows:
            click.echo(face)
            print_table(["identity", "similarity", "samples"], rows)
        else:
            click.echo(f"{face}: {nobody}\n")
        if not several:
            click.echo(f"{_decision(result)}: {_threshold(result)}")


def _print_summary(results: Sequence[FaceMatches]) -> None:
    from facenet.recognition.pictures import who

    rows = []
    for number, result in enumerate(results, start=1):
        similarity = result.matches[0].similarity if result.matches else None
        rows.append((number, _box(result), who(result), similarity))
    print_table(["face", "box", "who", "similarity"], rows)
    click.echo(f"{_threshold(results[0])}\n")


def _box(result: FaceMatches) -> str:
    return ", ".join(f"{side:.0f}" for side in result.face.box)


def _decision(result: FaceMatches) -> str:
    if result.threshold is None:
        return "no decision"
    return "unknown" if result.identity is None else f"this is {result.identity}"


def _threshold(result: FaceMatches) -> str:
    if result.threshold is None:
        return result.threshold_origin
    return f"threshold {result.threshold:.4f} ({result.threshold_origin})"
