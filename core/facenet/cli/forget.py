"""`facenet forget`."""

from __future__ import annotations

from pathlib import Path

import click

from facenet.cli.options import config_options, json_option, open_recognizer
from facenet.cli.output import print_json
from facenet.errors import RequestError
from facenet.text import count


@click.command("forget")
@click.argument("identity")
@config_options("inference")
@json_option
def command(identity: str, config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Erase an identity and all its samples from the gallery."""
    with open_recognizer(config, overrides) as recognizer:
        receipt = recognizer.forget(identity)
    if not receipt.samples:
        raise RequestError(f"{identity!r} is not in the gallery")
    if as_json:
        print_json(receipt)
        return
    click.echo(f"{identity}: {count(receipt.samples, 'sample')} erased at {receipt.at:%F %T} UTC")
