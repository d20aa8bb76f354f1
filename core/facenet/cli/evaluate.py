"""`facenet evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.options import PATH, config_options, json_option, load_train_config
from facenet.cli.output import print_json, print_table

if TYPE_CHECKING:
    from facenet.evaluation import Verification


@click.command("evaluate")
@config_options("train")
@click.option("--checkpoint", type=PATH, required=True, help="Checkpoint or bundle to measure.")
@json_option
def command(config: Path, overrides: tuple[str, ...], checkpoint: Path, as_json: bool) -> None:
    """Measure a model on the identities that its training configuration holds out."""
    loaded = load_train_config(config, overrides)
    from facenet.training import evaluate

    result = evaluate(loaded, checkpoint).verification
    if as_json:
        pairs = {"genuine_pairs": result.genuine_pairs, "impostor_pairs": result.impostor_pairs}
        print_json({**pairs, "best_threshold": result.best_threshold, **result.figures()})
    else:
        print_figures(result)


def print_figures(result: Verification) -> None:
    """The figures of a verification as a table; what the data cannot support says so."""
    rows: list[tuple[str, object, str]] = [
        ("accuracy", result.accuracy, f"best threshold {result.best_threshold:.4f}"),
        ("ROC AUC", result.auc, ""),
        ("EER", result.eer, ""),
    ]
    for far, point in result.operating_points.items():
        note = (
            f"threshold {point.threshold:.4f}"
            if point
            else f"not supported: needs {round(3 / far):,} impostor pairs"
        )
        rows.append((f"TAR@FAR={far:g}", point.tar if point else None, note))
    title = f"{result.genuine_pairs:,} genuine and {result.impostor_pairs:,} impostor pairs"
    print_table(["figure", "value", ""], rows, title=title)
