"""`facenet enrol`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from facenet.cli.galleries import warn_unless_kept
from facenet.cli.options import PATH, config_options, json_option, metadata_of, open_recognizer
from facenet.cli.output import print_json
from facenet.errors import RequestError
from facenet.text import count


@click.command("enrol")
@click.argument("identity")
@click.argument("images", nargs=-1, required=True, type=PATH)
@config_options("inference")
@click.option(
    "--metadata",
    multiple=True,
    metavar="KEY=VALUE",
    help="What to keep with the identity, as in --metadata team=research; VALUE is JSON or else "
    "text; may be repeated.",
)
@json_option
def command(
    identity: str,
    images: tuple[Path, ...],
    config: Path,
    overrides: tuple[str, ...],
    metadata: tuple[str, ...],
    as_json: bool,
) -> None:
    """Add images of one identity to the gallery, all of them or none."""
    kept = metadata_of("--metadata", metadata)
    missing = [image for image in images if not os.path.exists(image)]
    if missing and os.path.isfile(identity):
        raise RequestError(f"{missing[0]}: no such file; the name comes first")
    with open_recognizer(config, overrides) as recognizer:
        enrolment = recognizer.enrol(identity, images, metadata=kept)
        warn_unless_kept(recognizer)
    if as_json:
        print_json(enrolment)
        return
    click.echo(f"{identity}: {count(enrolment.added, 'sample')} added, {enrolment.samples} in all")
