"""`facenet serve keys`: who may use the service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
from rich.console import Console
from rich.table import Table

from facenet_serve import Options
from facenet_serve.keys import ROLES, Key, KeyFile, Role


@click.group()
def keys() -> None:
    """API keys: add, list, revoke. A running service heeds a change at once."""


@keys.command()
@click.argument("label")
@click.option(
    "--role",
    "roles",
    type=click.Choice(ROLES),
    multiple=True,
    required=True,
    help="What it may do; may be repeated. An admin may do everything.",
)
@click.option("--days", type=click.FloatRange(min=0), help="Valid for so long; default: for ever.")
@click.pass_obj
def add(options: Options, label: str, roles: tuple[Role, ...], days: float | None) -> None:
    """Make a key for LABEL (a person, a program) and print it, this once."""
    now = datetime.now(UTC).replace(microsecond=0)
    expires = None if days is None else _after(now, days)
    file = KeyFile(options.keys_file)
    key, text = file.add(label, roles, expires)
    click.echo(text)
    click.echo(
        f"key {key.id} of {label} may {', '.join(key.roles)}; its hash is in {file.path}, its text "
        "is kept nowhere: send it as 'Authorization: Bearer ...'",
        err=True,
    )
    if len(file) == 1:
        click.echo(
            "it is the first of this file: from now on every configuration that uses the file "
            "needs a key",
            err=True,
        )


@keys.command("list")
@click.pass_obj
def list_(options: Options) -> None:
    """Show all keys, without what is secret about them."""
    table = Table("id", "label", "may", "made", "expires", "state")
    now = datetime.now(UTC)
    for key in KeyFile(options.keys_file):
        table.add_row(key.id, key.label, ", ".join(key.roles), *_dates(key), key.state(now))
    Console(soft_wrap=True).print(table)


@keys.command()
@click.argument("key_id")
@click.pass_obj
def revoke(options: Options, key_id: str) -> None:
    """Make the key of this id useless, for ever."""
    key = KeyFile(options.keys_file).revoke(key_id)
    click.echo(f"key {key.id} of {key.label} is revoked")


def _after(now: datetime, days: float) -> datetime:
    try:
        return now + timedelta(days=days)
    except (OverflowError, ValueError) as error:
        raise click.BadParameter(f"{days:g} is no number of days", param_hint="--days") from error


def _dates(key: Key) -> tuple[str, str]:
    return f"{key.created:%Y-%m-%d}", f"{key.expires:%Y-%m-%d}" if key.expires else "never"
