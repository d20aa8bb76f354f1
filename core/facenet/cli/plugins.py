"""`facenet plugins [show|check|new]`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facenet.architectures import plugin_of
from facenet.cli.options import PATH, json_option, set_option
from facenet.cli.output import print_json, print_table
from facenet.errors import RequestError
from facenet.plugins import Registry
from facenet.text import count
from facenet.types import KINDS

if TYPE_CHECKING:
    from facenet.testing.listening import Result

_LINES = 5
"""Lines of a failure that are shown; pytest on a subclass of the suite shows all."""


@click.group("plugins", invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the installed plugins; nothing is imported."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_installed, as_json=as_json)


@command.command("list")
@json_option
def list_installed(as_json: bool) -> None:
    """The same as without any command."""
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
@click.argument("kind", type=click.Choice(KINDS), required=False)
@click.argument("name", required=False)
@set_option("An option of the plugin; {} in a text is another number for each test.")
@json_option
def check(kind: Any, name: str | None, overrides: tuple[str, ...], as_json: bool) -> int:
    """Load every plugin; or run the conformance suites on one, KIND NAME.

    Exit code 1 when any is broken, or any test fails. A store gets an empty folder where its
    options leave it one.
    """
    if kind is None:
        return _load_all(as_json)
    if name is None:
        raise click.UsageError(f"which {kind}? name it too; facenet plugins lists them")
    return _run_suites(kind, name, overrides, as_json)


@command.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.option(
    "--out",
    type=PATH,
    default=Path(),
    help="Where the new folder is made; default: here.",
)
def new(kind: Any, name: str, out: Path) -> None:
    """Write an installable package with a plugin to begin with, and its tests."""
    from facenet.cli.main import COMMANDS
    from facenet.scaffold import new_plugin

    if kind == "frontend" and name in COMMANDS:
        raise RequestError(f"frontend name {name!r}: is a command of facenet; choose another")
    folder = new_plugin(kind, name, out)
    click.echo(f"{folder}: a {kind} that works; make it yours\n")
    click.echo(f"  pip install -e '{folder}[test]'")
    click.echo(f"  facenet plugins check {kind} {name}")


def _load_all(as_json: bool) -> int:
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


def _run_suites(kind: Any, name: str, overrides: tuple[str, ...], as_json: bool) -> int:
    from facenet.config.source import options_from

    options = options_from(overrides)
    plugin = plugin_of(Registry(), kind, name)
    try:
        from facenet.testing.installed import run_suites
    except ModuleNotFoundError as error:
        if error.name != "pytest":
            raise
        raise RequestError("checking needs pytest: pip install 'facenet-kit[test]'") from error
    results = run_suites(kind, name, options)
    if as_json:
        print_json(results)
    else:
        click.echo(str(plugin.ref))
        _print_results(results)
    return 1 if any(result.outcome == "failed" for result in results) else 0


def _print_results(results: Sequence[Result]) -> None:
    """What failed, with what that means; why others did not run; and how many of each."""
    for result in results:
        if result.meaning:
            click.echo(f"\nFAILED {result.test}: {result.meaning}")
            for line in result.why.splitlines()[:_LINES]:
                click.echo(f"  {line}")
    others = Counter(
        (result.outcome, result.why) for result in results if result.why and not result.meaning
    )
    for (outcome, why), number in others.items():
        what = "skipped" if outcome == "skipped" else "could not begin"
        click.echo(f"{count(number, 'test')} {what}: {why}")
    outcomes = Counter(result.outcome for result in results)
    click.echo(f"{outcomes['passed']} passed, {outcomes['failed']} failed")
