"""`facenet verify`."""

from __future__ import annotations

from pathlib import Path

import click

from facenet.cli.options import PATH, config_options, json_option, open_recognizer
from facenet.cli.output import print_json
from facenet.cli.pictures import check_figure, figure_option, save_figure


@click.command("verify")
@click.argument("image_a", type=PATH)
@click.argument("image_b", type=PATH)
@config_options("inference")
@click.option("--threshold", type=float, help="Similarity of a match; default: the calibrated one.")
@figure_option
@json_option
def command(
    image_a: Path,
    image_b: Path,
    config: Path,
    overrides: tuple[str, ...],
    threshold: float | None,
    figure: Path | None,
    as_json: bool,
) -> None:
    """Decide whether two images show one person."""
    check_figure(figure, image_a, image_b)
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.pictures import picture_of_verification, verdict

        photo_a, photo_b = (recognizer.pipeline.open(image) for image in (image_a, image_b))
        decision = recognizer.verify(photo_a, photo_b, threshold=threshold)
        if as_json:
            print_json(decision)
        else:
            click.echo(verdict(decision))
        if figure is not None:
            drawn = picture_of_verification(recognizer.pipeline, photo_a, photo_b, decision)
            save_figure(figure, drawn)
