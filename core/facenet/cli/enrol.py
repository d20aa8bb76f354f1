"""`facenet enrol`."""

from __future__ import annotations

from pathlib import Path

import click

from facenet.cli.options import PATH, config_options, json_option, open_recognizer
from facenet.cli.output import print_json
from facenet.text import count


@click.command("enrol")
@click.argument("identity")
@click.argument("images", nargs=-1, required=True, type=PATH)
@config_options("inference")
@json_option
def command(
    identity: str, images: tuple[Path, ...], config: Path, overrides: tuple[str, ...], as_json: bool
) -> None:
    """Add images of one identity to the gallery, all of them or none."""
    with open_recognizer(config, overrides) as recognizer:
        enrolment = recognizer.enrol(identity, images)
    if as_json:
        print_json(enrolment)
        return
    click.echo(f"{identity}: {count(enrolment.added, 'sample')} added, {enrolment.samples} in all")
