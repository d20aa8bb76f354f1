"""`facenet plugins [show|check]`."""

from __future__ import annotations

from typing import Any

import click

from facenet.cli.options import json_option
from facenet.cli.output import print_json, print_table
from facenet.plugins import Registry
from facenet.types import KINDS


@click.group("plugins", invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the installed plugins; nothing is imported."""
    if ctx.invoked_subcommand is not None:
        return
    rows = [
        {"kind": r.kind, "name": r.name, "distribution": r.distribution, "version": r.version}
        for r in Registry().refs()
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(["kind", "name", "distribution", "version"], [tuple(r.values()) for r in rows])


@command.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@json_option
def show(kind: Any, name: str, as_json: bool) -> None:
    """Print what a plugin is and which options it has."""
    from facenet.config.reference import option_rows

    plugin = Registry().load(kind, name)
    info, schema = plugin.info, plugin.options_model.model_json_schema()
    if as_json:
        about = {"summary": info.summary, "licence": info.licence, "requires": info.requires}
        print_json(
            {"kind": kind, "name": name, **about, "install": info.install, "options": schema}
        )
        return
    click.echo(f"{plugin.ref}\n{info.summary}\nlicence {info.licence}")
    for library, licence in info.requires.items():
        click.echo(f"requires {library}, licence {licence}")
    if info.install:
        click.echo(f"install {info.install}")
    rows = [[cell.replace("`", "") for cell in row] for row in option_rows(schema)]
    if rows:
        print_table(["option", "value", "default", "meaning"], rows)
    else:
        click.echo("no options")


@command.command()
@json_option
def check(as_json: bool) -> int:
    """Load every plugin; exit code 1 when any is broken."""
    results = Registry().check()
    if as_json:
        print_json(
            [
                {
                    "kind": r.kind,
                    "name": r.name,
                    "distribution": r.distribution,
                    "error": str(error) if error else None,
                }
                for r, error in results
            ]
        )
    else:
        rows = [
            (r.kind, r.name, r.distribution, str(error) if error else "ok") for r, error in results
        ]
        print_table(["kind", "name", "distribution", "state"], rows)
    return 1 if any(error for _, error in results) else 0
