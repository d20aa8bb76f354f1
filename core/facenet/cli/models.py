"""`facenet models list|get|path`."""

from __future__ import annotations

import dataclasses

import click

from facenet.cli.options import json_option
from facenet.cli.output import print_json, print_table, progress
from facenet.known_models import cached, known_model, known_models, path_of


@click.group("models")
def command() -> None:
    """Fetch public weights by name; every file is checked by its hash."""


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the known weights; `here` are those whose file is in the cache."""
    found = [(model, cached(model)) for model in known_models()]
    if as_json:
        print_json([{**dataclasses.asdict(model), "path": path} for model, path in found])
    else:
        print_table(
            ["name", "for", "size", "licence", "here"],
            [
                (m.name, m.purpose, f"{m.size / 1e6:.1f} MB", m.licence, "yes" if path else None)
                for m, path in found
            ],
        )


@command.command()
@click.argument("name")
@click.option(
    "--mirror",
    metavar="FOLDER_OR_URL",
    help="Where to take the file from instead of its public address.",
)
def get(name: str, mirror: str | None) -> None:
    """Fetch a file into the cache and print its path.

    A download that was cut off goes on where it stopped.
    """
    model = known_model(name)
    path = cached(model)
    if path is None:
        from facenet.known_models.fetching import fetch

        with progress(name) as report:
            path = fetch(model, mirror=mirror, progress=report)
    else:
        click.echo(f"{name} is already here", err=True)
    click.echo(path)


@command.command()
@click.argument("name")
def path(name: str) -> None:
    """Print the path of a fetched file; exit code 2 when it is not here."""
    click.echo(path_of(name))
