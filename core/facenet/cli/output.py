"""How commands speak: tables for people, JSON for programs, progress on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from facenet.records import plain
from facenet.text import count


def print_json(value: Any) -> None:
    """Print dataclasses, paths, arrays and plain values as JSON."""
    click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print a table; numbers to the right, long text folded to the terminal.

    Where it goes to a file or a pipe nothing is folded, so that each row is a line.
    """
    from rich import box
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left")
    cells = [list(row) for row in rows]
    for index, heading in enumerate(headings):
        numeric = bool(cells) and all(isinstance(row[index], int | float) for row in cells)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(_cell(value)) for value in row))
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        unbounded = console.options.update(max_width=sys.maxsize)
        console.width = Measurement.get(console, unbounded, table).maximum
    console.print(table)


def report_skipped(
    what: str,
    reasons: Sequence[str],
    shown: int = 10,
    *,
    became: str = "skipped",
    plural: str | None = None,
) -> None:
    """Say on standard error what was passed over, one line each; `what` is a noun, singular."""
    if not reasons:
        return
    click.echo(f"{count(len(reasons), what, plural)} {became}:", err=True)
    for reason in reasons[:shown]:
        click.echo(f"  {reason}", err=True)
    if len(reasons) > shown:
        click.echo(f"  and {len(reasons) - shown} more", err=True)


@contextmanager
def progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error; the value is called with (done, total).

    Where the work fails before it has begun there is none to see.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task(description, total=None)
        try:
            yield lambda done, total: bar.update(task, completed=done, total=total)
        except BaseException:
            if bar.tasks[task].total is None:
                bar.live.transient = bar.disable = True
                bar.live.stop()
            raise


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
