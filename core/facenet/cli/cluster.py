"""`facenet cluster`."""

from __future__ import annotations

from pathlib import Path

import click

from facenet.cli.options import PATH, config_options, json_option, open_recognizer
from facenet.cli.output import print_json, print_table, progress, report_skipped
from facenet.text import count

SHOWN = 20


@click.command("cluster")
@click.argument("folder", type=PATH)
@config_options("inference")
@click.option("--threshold", type=float, help="Mean similarity from which two groups are one.")
@json_option
def command(
    folder: Path, config: Path, overrides: tuple[str, ...], threshold: float | None, as_json: bool
) -> None:
    """Group the faces of a folder of photos by the person whom they seem to show."""
    with open_recognizer(config, overrides) as recognizer, progress("embedding") as update:
        found = recognizer.cluster(folder, threshold=threshold, progress=update)
    if as_json:
        print_json(found)
        return
    report_skipped("image", found.failures)
    rows = [
        (number, len(group), ", ".join(dict.fromkeys(str(face.source) for face in group)))
        for number, group in enumerate(found.groups[:SHOWN], start=1)
    ]
    print_table(["group", "faces", "photos"], rows)
    if len(found.groups) > SHOWN:
        click.echo(f"and {len(found.groups) - SHOWN} more groups; --json prints all")
    click.echo(
        f"{count(len(found.groups), 'group')}, {count(len(found.alone), 'face')} alone; "
        f"threshold {found.threshold:.4f} ({found.threshold_origin})"
    )
