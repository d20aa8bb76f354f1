"""Kills processes that write to a store, again and again, and checks what the store then holds.

    python -m facenet.testing.faults --store pgvector --option data_dir=/tmp/gallery --kills 200

Each round starts a process in which several threads enrol and forget, kills it at a random moment,
opens the store in a new process, and compares the gallery with a journal of what the writer was
told is done. Works on any installed store plugin that outlives its process, through the `Store`
protocol alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from facenet.cli.options import PATH, json_option
from facenet.cli.output import print_json, print_table, progress, report_skipped
from facenet.errors import FacenetError
from facenet.testing.faults.harness import Harness, Round


@dataclass(frozen=True)
class Tally:
    """Rounds in numbers. Above zero, those from `lost` to `not_opened` are violations, and so is a
    `centroid_error` above 1e-6; seconds are those of opening the store after a kill."""

    kills: int
    acknowledged: int
    committed: int
    lost: int
    half: int
    returned: int
    miscounted: int
    not_opened: int
    centroid_error: float
    seconds_median: float | None
    seconds_longest: float | None
    problems: list[str] = field(default_factory=list)


def tally(rounds: Sequence[Round]) -> Tally:
    """What these rounds come to."""
    findings = [one.findings for one in rounds if one.findings is not None]
    seconds = [one.seconds for one in rounds if one.seconds is not None]
    names = ("acknowledged", "committed", "lost", "half", "returned", "miscounted")
    return Tally(
        kills=len(rounds),
        **{name: sum(getattr(found, name) for found in findings) for name in names},
        not_opened=len(rounds) - len(findings),
        centroid_error=max((found.centroid_error for found in findings), default=0.0),
        seconds_median=statistics.median(seconds) if seconds else None,
        seconds_longest=max(seconds, default=None),
        problems=[f"kill {i}: {text}" for i, one in enumerate(rounds) for text in one.problems],
    )


@click.command(help=(__doc__ or "").split("\n\n")[0])
@click.option("--store", default="pgvector", show_default=True, help="A store plugin.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the plugin; may be repeated. The gallery must be empty.",
)
@click.option(
    "--server-pid",
    type=PATH,
    help="File that begins with the pid of the store's own server: each third kill takes it too.",
)
@click.option("--kills", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the moments.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    store: str,
    options: tuple[str, ...],
    server_pid: Path | None,
    kills: int,
    seed: int,
    as_json: bool,
) -> None:
    for option in options:
        if "=" not in option:
            raise click.BadParameter(f"{option!r}: must be KEY=VALUE", param_hint="--option")
    try:
        with TemporaryDirectory(prefix="facenet-faults-") as folder, progress("kills") as tell:
            given = dict(option.split("=", 1) for option in options)
            harness = Harness(store, given, Path(folder), server_pid=server_pid, seed=seed)
            rounds = harness.run(kills, tell)
    except FacenetError as error:
        click.echo(f"facenet: {error}", err=True)
        context.exit(error.exit_code)
    total = tally(rounds)
    by_kill = {kill: tally([one for one in rounds if one.kill == kill]) for kill in _kills(rounds)}
    if as_json:
        print_json({"all": total, "by_kill": by_kill})
    else:
        _print({**by_kill, "all": total})
        report_skipped("problem", total.problems, became="found")
    context.exit(1 if total.problems else 0)


def _kills(rounds: Sequence[Round]) -> list[str]:
    return list(dict.fromkeys(one.kill for one in rounds))


def _print(tallies: dict[str, Tally]) -> None:
    def row(name: str, form: str, field: str) -> list[str]:
        values = [getattr(tally, field) for tally in tallies.values()]
        return [name, *("-" if value is None else format(value, form) for value in values)]

    rows = [
        row("kills", ",", "kills"),
        row("acknowledged operations", ",", "acknowledged"),
        row("committed, but not acknowledged", ",", "committed"),
        row("acknowledged enrolments lost", ",", "lost"),
        row("half enrolments or forgettings", ",", "half"),
        row("forgotten, but back", ",", "returned"),
        row("counts that disagree", ",", "miscounted"),
        row("did not open again", ",", "not_opened"),
        row("largest centroid error", ".0e", "centroid_error"),
        row("seconds to open again, median", ".2f", "seconds_median"),
        row("seconds to open again, longest", ".2f", "seconds_longest"),
    ]
    print_table(["killed", *tallies], rows)


if __name__ == "__main__":
    command()
