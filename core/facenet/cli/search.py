"""`facenet search`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.options import PATH, config_options, json_option, open_recognizer
from facenet.cli.output import print_json, print_table

if TYPE_CHECKING:
    from facenet.recognition import FaceMatches


@click.command("search")
@click.argument("image", type=PATH)
@config_options("inference")
@click.option("--top-k", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--min-similarity", type=click.FloatRange(-1, 1), default=-1.0, show_default=True)
@click.option(
    "--threshold", type=float, help="Similarity of a match; default: calibrated for the gallery."
)
@json_option
def command(
    image: Path,
    config: Path,
    overrides: tuple[str, ...],
    top_k: int,
    min_similarity: float,
    threshold: float | None,
    as_json: bool,
) -> None:
    """Find the enrolled identities most like each face of a photo."""
    with open_recognizer(config, overrides) as recognizer:
        results = recognizer.search(
            image, top_k=top_k, min_similarity=min_similarity, threshold=threshold
        )
    if as_json:
        print_json(
            [
                {
                    "identity": result.identity,
                    "face": result.face,
                    "matches": result.matches,
                    "threshold": result.threshold,
                    "threshold_origin": result.threshold_origin,
                }
                for result in results
            ]
        )
        return
    for number, result in enumerate(results, start=1):
        box = ", ".join(f"{side:.0f}" for side in result.face.box)
        rows = [(match.identity, match.similarity, match.samples) for match in result.matches]
        print_table(
            ["identity", "similarity", "samples"],
            rows,
            title=f"face {number} of {len(results)} at ({box})"
            + ("" if rows else ": nobody in the gallery is similar enough"),
        )
        click.echo(_verdict(result))


def _verdict(result: FaceMatches) -> str:
    if result.threshold is None:
        return f"no decision: {result.threshold_origin}"
    who = "unknown" if result.identity is None else f"this is {result.identity}"
    return f"{who}: threshold {result.threshold:.4f} ({result.threshold_origin})"
