"""`facenet train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.options import config_options, json_option, load_train_config
from facenet.cli.output import print_json, progress, report_skipped

if TYPE_CHECKING:
    from facenet.config import TrainConfig
    from facenet.data import IdentityFolder


@click.command("train")
@config_options("train")
@click.option("--resume", is_flag=True, help="Go on with the run in logging.output_dir.")
@click.option("--replace", is_flag=True, help="Remove the run in logging.output_dir, begin anew.")
@json_option
def command(
    config: Path, overrides: tuple[str, ...], resume: bool, replace: bool, as_json: bool
) -> None:
    """Train an embedding network on a folder of identities.

    Leaves checkpoints, metrics.csv, config.yaml and a model bundle in logging.output_dir; one that
    holds a run already is refused unless --resume or --replace is given. Ctrl-C saves the run where
    it stands; --resume goes on from there, or from the last checkpoint.
    """
    if resume and replace:
        raise click.UsageError("--resume and --replace exclude each other")
    loaded = load_train_config(config, overrides)
    from facenet.cli.measurement import print_identification, print_verification
    from facenet.paths import checked_output_folder
    from facenet.training import train
    from facenet.training.licences import check_run
    from facenet.training.run import Existing, former_run
    from facenet.training.trainer import is_first_process

    existing: Existing = "resume" if resume else "replace" if replace else "refuse"
    checked_output_folder(loaded.logging.output_dir)
    check_run(loaded)
    former, _ = former_run(loaded, existing)  # before all images are read
    # Where several processes train together, each runs this command, and the first one speaks.
    speaks = is_first_process()
    if resume and former is None and speaks:
        nothing = f"{loaded.logging.output_dir}: holds no run to go on with: a new one begins"
        click.echo(f"facenet: {nothing}", err=True)
    folder = _read_folder(loaded, speaks)
    result = train(loaded, folder=folder, existing=existing)
    if not speaks:
        return
    if as_json:
        places = {"checkpoint": result.checkpoint, "bundle": result.bundle}
        print_json({**places, "figures": result.evaluation.figures})
        return
    print_verification(result.evaluation.summary)
    print_identification(result.evaluation.searches.identification)
    click.echo(f"checkpoint  {result.checkpoint}\nbundle      {result.bundle}")


def _read_folder(config: TrainConfig, speaks: bool) -> IdentityFolder:
    from facenet.data import open_folder
    from facenet.text import count

    if not speaks:
        return open_folder(config)
    with progress("reading images") as update:
        folder = open_folder(config, progress=update)
    report_skipped("unreadable image", folder.unreadable)
    click.echo(
        f"{count(len(folder.identities), 'identity', 'identities')}, "
        f"{count(len(folder.samples), 'image')}; "
        f"{count(len(folder.too_few), 'identity', 'identities')} left out for having fewer than "
        f"{config.data.min_images_per_class} images",
        err=True,
    )
    return folder
