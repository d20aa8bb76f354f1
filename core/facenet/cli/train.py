"""`facenet train`."""

from __future__ import annotations

from pathlib import Path

import click

from facenet.cli.options import config_options, json_option, load_train_config
from facenet.cli.output import print_json, progress, report_skipped


@click.command("train")
@config_options("train")
@json_option
def command(config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Train an embedding network on a folder of identities.

    Leaves checkpoints, metrics.csv, config.yaml and a model bundle in logging.output_dir.
    """
    loaded = load_train_config(config, overrides)
    from facenet.cli.evaluate import print_figures
    from facenet.data import scan_folder
    from facenet.paths import checked_output_folder
    from facenet.text import count
    from facenet.training import train

    checked_output_folder(loaded.logging.output_dir)
    with progress("reading images") as update:
        folder = scan_folder(
            loaded.data.root, min_images=loaded.data.min_images_per_class, progress=update
        )
    report_skipped("unreadable image", folder.unreadable)
    click.echo(
        f"{count(len(folder.identities), 'identity', 'identities')}, "
        f"{count(len(folder.samples), 'image')}; "
        f"{count(len(folder.too_few), 'identity', 'identities')} left out for having fewer than "
        f"{loaded.data.min_images_per_class} images",
        err=True,
    )
    result = train(loaded, folder=folder)
    if as_json:
        figures = result.evaluation.verification.figures()
        print_json({"checkpoint": result.checkpoint, "bundle": result.bundle, **figures})
        return
    print_figures(result.evaluation.verification)
    click.echo(f"checkpoint  {result.checkpoint}\nbundle      {result.bundle}")
