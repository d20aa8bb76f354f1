"""`facenet evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.options import PATH, config_options, json_option, load_train_config
from facenet.cli.output import print_json, print_table

if TYPE_CHECKING:
    from facenet.evaluation import Summary


@click.command("evaluate")
@config_options("train")
@click.option("--checkpoint", type=PATH, required=True, help="Checkpoint or bundle to measure.")
@json_option
def command(config: Path, overrides: tuple[str, ...], checkpoint: Path, as_json: bool) -> None:
    """Measure a model on the identities that its training configuration holds out."""
    loaded = load_train_config(config, overrides)
    from facenet.training import evaluate

    summary = evaluate(loaded, checkpoint).summary
    if as_json:
        print_json(summary.figures)
    else:
        print_figures(summary)


def print_figures(summary: Summary) -> None:
    """The figures as a table; what the data cannot support says so."""
    exact = summary.measured.verification
    rows = [(name, str(figure)) for name, figure in summary.figures.items()]
    title = f"{exact.genuine_pairs:,} genuine and {exact.impostor_pairs:,} impostor pairs"
    print_table(["figure", "value"], rows, title=title)
