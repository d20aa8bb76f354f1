"""How a sweep is shown: bars while it runs, a table of its runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from facenet.cli.output import print_table
from facenet.text import count, duration

if TYPE_CHECKING:
    from facenet.benchmark.state import RunState, SweepState


_COLUMNS = {"backbone": "backbone", "embedding_dim": "size", "miner": "miner", "seed": "seed"}
"""What tells runs apart, and its heading."""


@contextmanager
def sweep_bars() -> Iterator[Callable[[SweepState], None]]:
    """A bar for the sweep, with the time that is left, and one for each run at work.

    They appear when the value is first called: before, other bars may be shown.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}")
    bars = Progress(*columns, console=Console(stderr=True))
    whole = bars.add_task("sweep", total=1, text="")
    of_runs: dict[str, Any] = {}

    def show(state: SweepState) -> None:
        share = sum(run.share for run in state.runs) / len(state.runs)
        bars.update(whole, completed=share, text=sweep_line(state))
        for run in state.runs:
            name = run.key.name
            if run.stage == "training" and name not in of_runs:
                of_runs[name] = bars.add_task(name, total=1, text="")
            if name in of_runs:
                visible = run.stage == "training"
                bars.update(of_runs[name], completed=run.share, text=_at(run), visible=visible)
        bars.start()  # once: later calls change nothing

    try:
        yield show
    finally:
        if bars.live.is_started:
            bars.stop()


def sweep_line(state: SweepState) -> str:
    """'3 of 9 runs, 2 h 5 min left'."""
    text = f"{state.finished} of {count(len(state.runs), 'run')}"
    if state.finished == len(state.runs):
        measured = sum(run.stage == "measured" for run in state.runs)
        return f"{text} trained, {measured} measured"
    left = state.seconds_left
    left_text = "" if left is None else f", about {duration(left)} left"
    return f"{text}{left_text}" + ("" if state.running else "; stopped, the same command goes on")


def _at(run: RunState) -> str:
    """'epoch 3/12, accuracy 0.91'."""
    at = run.progress
    if at is None:
        return ""
    accuracy = "" if at.accuracy is None else f", accuracy {at.accuracy:.4f}"
    return f"epoch {at.epoch}/{at.epochs}{accuracy}"


def print_runs(state: SweepState) -> None:
    """A row for each run; why runs failed goes to standard error."""
    keys = [run.key for run in state.runs]
    # What all runs have in common would only take room.
    shown = {
        name: heading
        for name, heading in _COLUMNS.items()
        if name == "backbone" or len({getattr(key, name) for key in keys}) > 1
    }
    print_table(
        [*shown.values(), "stage", "accuracy", "time"],
        [
            (
                *(str(getattr(run.key, name)) for name in shown),
                _stage(run),
                _accuracy(run),
                duration(run.seconds) if run.seconds else None,
            )
            for run in state.runs
        ],
    )
    for run in state.runs:
        if run.result and run.result.reason:
            click.echo(f"{run.key.name} failed: {run.result.reason}", err=True)


def _stage(run: RunState) -> str:
    """'training 3/12': the epoch, of how many."""
    at = run.progress
    return f"{run.stage} {at.epoch}/{at.epochs}" if at and run.stage == "training" else run.stage


def _accuracy(run: RunState) -> str | None:
    """With its interval where the run is finished."""
    if run.result and "accuracy" in run.result.figures:
        return str(run.result.figures["accuracy"])
    at = run.progress
    return f"{at.accuracy:.4f}" if at and at.accuracy is not None else None
