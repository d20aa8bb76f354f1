"""`facenet config schema|show`."""

from __future__ import annotations

from pathlib import Path

import click

from facenet.cli.options import PATH, set_option
from facenet.cli.output import print_json

KINDS = ("train", "inference", "benchmark")


@click.group("config")
def command() -> None:
    """Describe and show configurations."""


@command.command()
@click.argument("kind", type=click.Choice(KINDS))
def schema(kind: str) -> None:
    """Print the JSON Schema of a configuration file, for editors."""
    from facenet.config import CONFIGS

    print_json(CONFIGS[kind].model_json_schema())


@command.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--config", type=PATH, help="Default: configs/KIND.yaml.")
@set_option("Override a key.")
def show(kind: str, config: Path | None, overrides: tuple[str, ...]) -> None:
    """Print the effective configuration, defaults included, secrets masked."""
    from facenet.config import CONFIGS, dump_config, load_config

    path = config or Path("configs", f"{kind}.yaml")
    loaded = load_config(path, CONFIGS[kind], overrides=overrides, check_plugins=False)
    click.echo(dump_config(loaded), nl=False)
