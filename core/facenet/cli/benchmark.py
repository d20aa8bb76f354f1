"""`facenet benchmark`, `facenet benchmark status|compare`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.options import (
    PATH,
    config_options,
    existing_config,
    json_option,
    open_recognizer,
    set_option,
)
from facenet.cli.output import print_json, print_table, progress, report_skipped
from facenet.cli.sweeps import print_runs, sweep_bars, sweep_line
from facenet.text import count

if TYPE_CHECKING:
    from facenet.benchmark.compare import Difference
    from facenet.data import IdentityFolder
    from facenet.evaluation import Embedded


@click.group("benchmark", invoke_without_command=True)
@click.option(
    "--benchmark-config",
    "--config",
    "config",
    type=PATH,
    default=Path("configs", "benchmark.yaml"),
    show_default=True,
    help="The benchmark configuration.",
)
@set_option("Override a key, as in --set training.optimizer.lr=3e-4; may be repeated.")
@click.option("--query-image", metavar="FILE", help="A query of your own in the query figures.")
@click.option("--gallery-split", metavar="SPLIT", help="Who is searched among: train, val, all.")
@click.option("--inference-batch-size", metavar="N", help="Batch of the throughput measurement.")
@click.option("--device", metavar="DEVICE", help="Where speed is measured: auto, cpu, cuda, mps.")
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Keep finished runs and go on with others, or train all again.",
)
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    config: Path,
    overrides: tuple[str, ...],
    resume: bool,
    as_json: bool,
    **flags: str | None,
) -> int:
    """Train and measure backbones x embedding sizes, and draw figures for a paper.

    Ctrl-C saves every run where it stands; the same command goes on. Where a run failed the others
    are finished all the same, and the exit code is 1.
    """
    if context.invoked_subcommand:
        return 0
    given = [f"{name}={json.dumps(value)}" for name, value in flags.items() if value is not None]
    from facenet.config import BenchmarkConfig, load_config

    loaded = load_config(existing_config(config), BenchmarkConfig, overrides=[*overrides, *given])
    from facenet.benchmark.state import read_state
    from facenet.benchmark.sweep import run_sweep
    from facenet.data import open_folder

    def read() -> IdentityFolder:
        with progress("reading images") as update:
            folder = open_folder(loaded.training, progress=update)
        report_skipped("unreadable image", folder.unreadable)
        return folder

    with sweep_bars() as watch:
        files = run_sweep(loaded, read=read, resume=resume, watch=watch)
    state = read_state(loaded.output_dir)
    if as_json:
        print_json({"runs": state.runs, "files": files})
    else:
        print_runs(state)
        click.echo("\n".join(str(path) for path in files))
    return 1 if any(run.stage == "failed" for run in state.runs) else 0


@command.command()
@click.argument("folder", type=PATH)
@json_option
def status(folder: Path, as_json: bool) -> None:
    """How far the sweep in FOLDER is, while it runs or after it was stopped."""
    from facenet.benchmark.state import read_state

    state = read_state(folder)
    if as_json:
        print_json(state)
        return
    print_runs(state)
    click.echo(sweep_line(state))


@command.command()
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@click.option("--data", type=PATH, help="Folder of <identity>/<image> on which two models differ.")
@config_options("inference")
@json_option
def compare(
    a: Path, b: Path, data: Path | None, config: Path, overrides: tuple[str, ...], as_json: bool
) -> None:
    """How B differs from A, figure by figure, with the interval of the paired difference.

    \b
    Two sweeps, run by run, on the people that both held out:
      facenet benchmark compare artifacts/before artifacts/after
    Two models in the pipeline of configs/inference.yaml, on photos:
      facenet benchmark compare before/bundle after/bundle --data FOLDER
    """
    from facenet.benchmark.compare import compare_models, compare_sweeps
    from facenet.benchmark.records import SWEEP

    sweeps = [path for path in (a, b) if (path / SWEEP).is_file()]
    if data is None and len(sweeps) < 2:
        other = next(path for path in (a, b) if path not in sweeps)
        raise click.UsageError(
            f"{other}: is no sweep ({SWEEP} is missing); two models need --data as well"
        )
    if data is None:
        comparison = compare_sweeps(a, b)
        if as_json:
            print_json(comparison)
            return
        for run in comparison.compared:
            shared = f"{count(run.people, 'person', 'people')}, {count(run.images, 'image')}"
            _print_differences(f"{run.run} ({shared})", run.differences)
        report_skipped("run", comparison.not_compared, became="not compared")
        return
    differences = compare_models(
        *(_embedded(*model, data, config, overrides) for model in (("A", a), ("B", b)))
    )
    if as_json:
        print_json({"a": a, "b": b, "data": data, "differences": differences})
    else:
        _print_differences(f"{b} against {a}, on {data}", differences)


def _embedded(
    name: str, model: Path, data: Path, config: Path, overrides: tuple[str, ...]
) -> Embedded:
    from facenet.recognition import embed_identities

    with (
        open_recognizer(config, overrides, model) as recognizer,
        progress(f"embedding with {name}") as update,
    ):
        embedded, failures = embed_identities(recognizer, data, update)
    report_skipped("image", failures, became="counted as not recognised")
    return embedded


def _print_differences(title: str, differences: Sequence[Difference]) -> None:
    from facenet.evaluation.wording import label

    print_table(
        ["figure", "a", "b", "b - a", "b is"],
        [
            (label(each.figure), each.a, each.b, str(each.change), each.verdict)
            for each in differences
        ],
        title,
    )
