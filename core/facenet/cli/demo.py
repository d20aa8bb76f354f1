"""`facenet demo`."""

from __future__ import annotations

import shlex
import shutil
import sys
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.options import PATH, json_option
from facenet.cli.output import print_json, print_table, progress, report_skipped

if TYPE_CHECKING:
    from facenet.demo.run import DemoResult


@click.command("demo")
@click.option("--data", type=PATH, help="Folder of <identity>/<image>; default: drawn faces.")
@click.option(
    "--output", type=PATH, help="Folder of the results; default: artifacts/demo[-<data>]."
)
@click.option(
    "--identities",
    type=click.IntRange(min=8),
    default=80,
    show_default=True,
    help="People to draw.",
)
@click.option(
    "--samples",
    type=click.IntRange(min=4),
    default=10,
    show_default=True,
    help="Images to draw of each.",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    help="Passes over the training images.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the faces, the split and the training.",
)
@json_option
def command(
    data: Path | None,
    output: Path | None,
    identities: int,
    samples: int,
    epochs: int,
    seed: int,
    as_json: bool,
) -> None:
    """Train, measure, enrol and search, with no download and no server.

    Ctrl-C at any time; running it again reuses what is finished.

    \b
    On drawn faces, and on photos of yours:
      facenet demo
      facenet demo --data photos
    """
    from facenet.demo.report import facts, write_report
    from facenet.demo.run import DemoSettings, run_demo

    folder = output or Path("artifacts", f"demo-{data.resolve().name}" if data else "demo")
    settings = DemoSettings(folder, data, identities, samples, epochs, seed=seed)
    result = run_demo(settings, progress)
    report_skipped("unreadable image", result.folder.unreadable)
    report = folder / "report.html"
    write_report(result, report)
    if as_json:
        ranks = {"rank_1": result.rank(1), "rank_3": result.rank(3)}
        print_json(
            {
                "figures": result.evaluation.figures,
                "searches": ranks,
                "bundle": result.bundle,
                "report": report,
            }
        )
        return
    print_table(["", ""], facts(result))
    click.echo(f"report  {report}\n\nNext:\n" + "\n".join(next_commands(result)))


def next_commands(result: DemoResult) -> list[str]:
    """Commands that work on what the demo left."""
    config = shlex.quote(str(result.inference_config))
    first, second = (shlex.quote(str(probe.path)) for probe in result.probes[:2])
    program = shlex.quote(_program())
    return [
        f"  {program} search --config {config} {first}",
        f"  {program} verify --config {config} {first} {second}",
        f"  {program} studio --config {config}",
        f"  {program} serve --config {config}",
    ]


def _program() -> str:
    """How this command is called here: by its name where the environment is active."""
    return (
        "facenet" if shutil.which("facenet") else relpath(Path(sys.executable).parent / "facenet")
    )
