"""`facenet store list|duplicates|mix-ups|expire|purge|export|import`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import click

from facenet.cli.galleries import warn_unless_kept
from facenet.cli.options import PATH, config_options, json_option, open_recognizer
from facenet.cli.output import print_json, print_table, progress
from facenet.paths import checked_output_file
from facenet.text import count

THRESHOLD = click.option(
    "--threshold", type=click.FloatRange(-1, 1), help="Similarity; default: the one that decides."
)


@click.command("list")
@click.option("--after", help="Begin after this name.")
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="Most identities listed."
)
@config_options("inference")
@json_option
def list_identities(
    after: str | None, limit: int, config: Path, overrides: tuple[str, ...], as_json: bool
) -> None:
    """List the identities of the gallery, in order of name."""
    with open_recognizer(config, overrides) as recognizer:
        found = list(islice(recognizer.store.identities(after=after, limit=limit), limit))
        total = recognizer.store.count()
    if as_json:
        keys = ("identity", "samples", "metadata")
        print_json([{key: getattr(record, key) for key in keys} for record in found])
        return
    rows = [[each.identity, each.samples, _pairs(dict(each.metadata))] for each in found]
    print_table(["identity", "samples", "metadata"], rows)
    if len(found) < total:
        last = found[-1].identity if found else after
        click.echo(f"{len(found)} of {count(total, 'identity', 'identities')}; --after {last!r}")


@click.command()
@THRESHOLD
@config_options("inference")
@json_option
def duplicates(
    threshold: float | None, config: Path, overrides: tuple[str, ...], as_json: bool
) -> None:
    """Find identities that may be one person's: their templates would match.

    `facenet store merge` makes two of them one.
    """
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.suspects import duplicates

        with progress("comparing") as update:
            found = duplicates(recognizer, threshold=threshold, progress=update)
    if as_json:
        print_json(found)
    elif found:
        print_table(
            ["identity", "other", "similarity"], [list(e.to_dict().values()) for e in found]
        )
        click.echo(
            f"{count(len(found), 'pair')} may be one person each: `facenet store merge IDENTITY "
            "OTHER` makes two one"
        )
    else:
        click.echo("no two identities are so similar")


@click.command("mix-ups")
@THRESHOLD
@config_options("inference")
@json_option
def mix_ups(
    threshold: float | None, config: Path, overrides: tuple[str, ...], as_json: bool
) -> None:
    """Find samples that may be someone else's: they would not match the rest of their identity.

    `facenet store move` gives one to another, `facenet store erase` erases it.
    """
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.suspects import mix_ups

        with progress("comparing") as update:
            found = mix_ups(recognizer, threshold=threshold, progress=update)
    if as_json:
        print_json(found)
    elif found:
        headings = ["identity", "sample", "similarity", "more like", "similarity"]
        print_table(headings, [list(each.to_dict().values()) for each in found])
        click.echo(
            f"{count(len(found), 'sample')} may be someone else's: look with `facenet store "
            "samples IDENTITY`, then `facenet store move IDENTITY OTHER --sample NUMBER`, or "
            "`erase` for good"
        )
    else:
        click.echo("every sample is like the others of its identity")


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


def _pairs(metadata: dict[str, object]) -> str | None:
    return ", ".join(f"{key}={value}" for key, value in metadata.items()) or None


COMMANDS = (list_identities, duplicates, mix_ups, expire, purge, export, import_file)
