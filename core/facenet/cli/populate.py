"""`facenet populate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.galleries import warn_unless_kept
from facenet.cli.main import INTERRUPTED
from facenet.cli.options import (
    PATH,
    config_options,
    engine_options,
    json_option,
    open_engine,
    open_recognizer,
)
from facenet.cli.output import print_json, progress, report_skipped
from facenet.paths import checked_output_file, write_whole

if TYPE_CHECKING:
    from facenet.recognition import PopulateReport
    from facenet.stores import StoreStats


@click.command("populate")
@config_options("inference")
@click.option("--data", type=PATH, required=True, help="Folder of <identity>/<image>.")
@click.option(
    "--failures",
    type=PATH,
    help="JSON lines to write: path, codes and reason of each image that was not enrolled.",
)
@engine_options
@json_option
def command(
    config: Path,
    overrides: tuple[str, ...],
    data: Path,
    failures: Path | None,
    engine: str,
    address: str | None,
    as_json: bool,
) -> int:
    """Enrol a folder of identities; running it again adds only what is new.

    Images that cannot be enrolled are passed over and reported. Ctrl-C ends it after the batch that
    is at work.
    """
    if failures is not None:
        checked_output_file(failures)
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition import populate
        from facenet.signals import stopped_by_signals

        warn_unless_kept(recognizer)
        with (
            open_engine(engine, address) as embed,
            stopped_by_signals() as asked,
            progress("enrolling") as update,
        ):
            report = populate(recognizer, data, progress=update, stop=asked.is_set, engine=embed)
        stats = recognizer.store.stats()
    if failures is not None:
        lines = (f"{json.dumps(failure.to_dict())}\n" for failure in report.failures)
        write_whole(failures, "".join(lines).encode())
    if as_json:
        print_json({"report": report, "store": stats})
    else:
        _print(report, stats)
    if report.left:
        click.echo(
            f"facenet: interrupted: {report.added + report.held:,} images are in the gallery, "
            f"{report.left:,} were not looked at; the same command goes on with them",
            err=True,
        )
    return INTERRUPTED if report.left else 0


def _print(report: PopulateReport, stats: StoreStats) -> None:
    report_skipped("image", [str(failure) for failure in report.failures])
    click.echo(
        f"{report.added:,} of {report.images:,} images added for {report.identities:,} identities"
        + (f", {report.held:,} were held already" if report.held else "")
        + f"; the gallery holds {stats.samples:,} samples of {stats.identities:,} identities"
        + ("" if stats.persistent else ", until this command ends")
    )
