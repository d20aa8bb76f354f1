"""`facenet store samples|rename|merge|move|erase|log|undo|export-identity`."""

from __future__ import annotations

from pathlib import Path

import click

from facenet.cli.options import PATH, config_options, json_option, open_recognizer
from facenet.cli.output import print_json, print_table
from facenet.paths import checked_output_file
from facenet.text import count


@click.command()
@click.argument("identity")
@config_options("inference")
@json_option
def samples(identity: str, config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """List the samples of an identity, by the numbers that `move` takes."""
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.curation import holdings

        record, held = holdings(recognizer, identity)
    rows = [
        {
            "number": one.number,
            "enrolled": f"{one.at:%F %T} UTC",
            "weight": one.weight,
            "similarity": min(float(one.embedding @ record.centroid), 1.0),
            "face": "kept" if one.crop else None,
            "key": one.key,
        }
        for one in held
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(list(rows[0]), [list(row.values()) for row in rows])
        click.echo("similarity: with the identity's template")


@click.command()
@click.argument("identity")
@click.argument("name")
@config_options("inference")
def rename(identity: str, name: str, config: Path, overrides: tuple[str, ...]) -> None:
    """Give an identity another NAME; nobody else may have it."""
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.curation import rename

        rename(recognizer, identity, name)
    click.echo(f"{identity} is now {name}")


@click.command()
@click.argument("identity")
@click.argument("into")
@config_options("inference")
def merge(identity: str, into: str, config: Path, overrides: tuple[str, ...]) -> None:
    """Make two identities one: all samples of IDENTITY go INTO the other.

    Of metadata that both have, the other's stays. A photo that both hold is kept once.
    """
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.curation import merge

        moved = merge(recognizer, identity, into)
    click.echo(f"{count(moved, 'sample')} of {identity} moved to {into}; {identity} is gone")


@click.command()
@click.argument("identity")
@click.argument("to")
@click.option(
    "--sample",
    "numbers",
    type=int,
    multiple=True,
    required=True,
    help="Number of a sample, as `facenet store samples` lists them; may be repeated.",
)
@config_options("inference")
def move(
    identity: str, to: str, numbers: tuple[int, ...], config: Path, overrides: tuple[str, ...]
) -> None:
    """Move samples of IDENTITY TO another, which is enrolled by it when it is new."""
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.curation import move

        moved = move(recognizer, identity, to, numbers)
        left = recognizer.store.get(identity)
    gone = "" if left else f"; {identity} is gone"
    click.echo(f"{count(moved, 'sample')} of {identity} moved to {to}{gone}")


@click.command()
@click.argument("identity")
@click.option(
    "--sample",
    "numbers",
    type=int,
    multiple=True,
    required=True,
    help="Number of a sample, as `facenet store samples` lists them; may be repeated.",
)
@config_options("inference")
def erase(
    identity: str, numbers: tuple[int, ...], config: Path, overrides: tuple[str, ...]
) -> None:
    """Erase samples of IDENTITY for good; `facenet forget` erases all of it."""
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.curation import erase

        erased = erase(recognizer, identity, numbers)
        left = recognizer.store.get(identity)
    gone = "" if left else f"; {identity} is gone"
    click.echo(f"{count(erased, 'sample')} of {identity} erased{gone}")


@click.command()
@click.option("--identity", help="Only what concerns this one.")
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="Most entries listed."
)
@config_options("inference")
@json_option
def log(
    identity: str | None, limit: int, config: Path, overrides: tuple[str, ...], as_json: bool
) -> None:
    """List what was done to the gallery, the last first.

    Whoever is gone has no name here. `undo` takes the number of an entry that can be undone.
    """
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.curation import history

        entries = history(recognizer, identity=identity, limit=limit)
    if as_json:
        print_json(entries)
        return
    rows = [
        [
            entry.number,
            f"{entry.at:%F %T} UTC",
            entry.action + (f" of {entry.undoes}" if entry.undoes else ""),
            " -> ".join(name for name in (entry.identity, entry.other) if name) or None,
            entry.samples,
            "yes" if entry.undoable else None,
        ]
        for entry in entries
    ]
    print_table(["number", "when", "what", "who", "samples", "can be undone"], rows)


@click.command()
@click.argument("number", type=int, required=False)
@config_options("inference")
def undo(number: int | None, config: Path, overrides: tuple[str, ...]) -> None:
    """Take back the change of this NUMBER in the log, or the last one that can be.

    An enrolment is taken back by its NUMBER only: its samples are erased for good.
    """
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.curation import undo

        entry = undo(recognizer, number)
    who = f": {entry.identity}" if entry.identity else ""
    samples = f", {count(entry.samples, 'sample')}" if entry.samples else ""
    click.echo(f"entry {entry.undoes} is undone{who}{samples}")


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


COMMANDS = (samples, rename, merge, move, erase, log, undo, export_identity)
