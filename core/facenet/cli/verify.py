"""`facenet verify`."""

from __future__ import annotations

from pathlib import Path

import click

from facenet.cli.options import PATH, config_options, json_option, open_recognizer
from facenet.cli.output import print_json


@click.command("verify")
@click.argument("image_a", type=PATH)
@click.argument("image_b", type=PATH)
@config_options("inference")
@click.option("--threshold", type=float, help="Similarity of a match; default: the calibrated one.")
@json_option
def command(
    image_a: Path,
    image_b: Path,
    config: Path,
    overrides: tuple[str, ...],
    threshold: float | None,
    as_json: bool,
) -> None:
    """Decide whether two images show one person."""
    with open_recognizer(config, overrides) as recognizer:
        decision = recognizer.verify(image_a, image_b, threshold=threshold)
    if as_json:
        print_json(decision)
        return
    verdict, relation = ("match", ">=") if decision.match else ("no match", "<")
    click.echo(
        f"{verdict}: similarity {decision.similarity:.4f} {relation} threshold "
        f"{decision.threshold:.4f} ({decision.threshold_origin})"
    )
    if decision.probability is not None:
        click.echo(f"probability {decision.probability:.4f} where both answers are as frequent")
