"""`facenet populate`."""

from __future__ import annotations

from pathlib import Path

import click

from facenet.cli.options import PATH, config_options, json_option, open_recognizer
from facenet.cli.output import print_json, progress, report_skipped


@click.command("populate")
@config_options("inference")
@click.option("--data", type=PATH, required=True, help="Folder of <identity>/<image>.")
@json_option
def command(config: Path, overrides: tuple[str, ...], data: Path, as_json: bool) -> None:
    """Enrol a folder of identities; running it again adds only what is new."""
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition import populate

        with progress("enrolling") as update:
            report = populate(recognizer, data, progress=update)
        stats = recognizer.store.stats()
    if as_json:
        print_json({"report": report, "store": stats})
        return
    report_skipped("image", report.failures)
    click.echo(
        f"{report.added:,} of {report.images:,} images added for {report.identities:,} identities; "
        f"the gallery holds {stats.samples:,} samples of {stats.identities:,} identities"
    )
