"""`facenet store expire|purge|export|import|export-identity`: what leaves a gallery, or comes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from facenet.cli.galleries import warn_unless_kept
from facenet.cli.options import PATH, config_options, json_option, open_recognizer
from facenet.cli.output import print_json, progress
from facenet.paths import checked_output_file
from facenet.text import count


@click.command()
@click.option(
    "--older-than", "days", type=click.IntRange(1), required=True, help="Days since enrolment."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be erased.")
@config_options("inference")
@json_option
def expire(
    days: int, dry_run: bool, config: Path, overrides: tuple[str, ...], as_json: bool
) -> None:
    """Erase what was enrolled longer ago than the retention period; run it daily.

    An identity of which no sample is left is gone.
    """
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.curation import expire

        before = datetime.now(UTC) - timedelta(days=days)
        erased = expire(recognizer, before, dry_run=dry_run)
    if as_json:
        print_json({"before": before.isoformat(), "dry_run": dry_run, "erased": erased})
        return
    verb = "would be erased" if dry_run else "erased"
    samples, people = sum(erased.values()), count(len(erased), "identity", "identities")
    click.echo(f"{count(samples, 'sample')} of {people} {verb}, enrolled before {before:%F %T} UTC")


@click.command()
@config_options("inference")
def purge(config: Path, overrides: tuple[str, ...]) -> None:
    """End what the database keeps of what was erased: write its tables anew.

    Each table is locked meanwhile. Files that were written before, such as dumps, are yours.
    """
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.curation import purge

        purge(recognizer)
    click.echo("purged")


@click.command()
@click.argument("file", type=PATH)
@click.option("--crops", is_flag=True, help="With the aligned faces that are kept.")
@config_options("inference")
def export(file: Path, crops: bool, config: Path, overrides: tuple[str, ...]) -> None:
    """Write every sample with its vector to FILE: .jsonl or .parquet.

    FILE holds biometric data, and is readable by you alone.
    """
    checked_output_file(file)
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.exchange import export_gallery

        with progress("exporting") as update:
            written = export_gallery(recognizer, file, crops=crops, progress=update)
    click.echo(f"{file}: {count(written, 'sample')}")


@click.command("import")
@click.argument("file", type=PATH)
@config_options("inference")
def import_file(file: Path, config: Path, overrides: tuple[str, ...]) -> None:
    """Enrol every sample of FILE, as `facenet store export` wrote it, with the same model."""
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.exchange import import_gallery

        warn_unless_kept(recognizer)
        with progress("importing") as update:
            read, added = import_gallery(recognizer, file, progress=update)
    click.echo(f"{file}: {added} of {count(read, 'sample')} added")


@click.command("export-identity")
@click.argument("identity")
@click.argument("file", type=PATH)
@config_options("inference")
def export_identity(identity: str, file: Path, config: Path, overrides: tuple[str, ...]) -> None:
    """Write all that is held on an identity to FILE, a ZIP file, as the person may ask for it.

    FILE holds biometric data, and is readable by you alone.
    """
    checked_output_file(file)
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.curation import export_identity

        held = export_identity(recognizer, identity, file)
    click.echo(f"{file}: {count(held, 'sample')} of {identity}")


COMMANDS = (expire, purge, export, import_file, export_identity)
