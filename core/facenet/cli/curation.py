"""`facenet store list|samples|duplicates|mix-ups|rename|merge|move|erase|log|undo`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.options import config_options, json_option, open_recognizer
from facenet.cli.output import print_json, print_table, progress
from facenet.text import count

if TYPE_CHECKING:
    from facenet.records import Record

SAMPLES = click.option(
    "--sample",
    "numbers",
    type=int,
    multiple=True,
    required=True,
    help="Number of a sample, as `facenet store samples` lists them; may be repeated.",
)
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
    _print_found(
        found,
        ["identity", "other", "similarity"],
        f"{count(len(found), 'pair')} may be one person each: `facenet store merge IDENTITY OTHER` "
        "makes two one",
        "no two identities are so similar",
        as_json,
    )


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
    _print_found(
        found,
        ["identity", "sample", "similarity", "more like", "similarity"],
        f"{count(len(found), 'sample')} may be someone else's: look with `facenet store samples "
        "IDENTITY`, then `facenet store move IDENTITY OTHER --sample NUMBER`, or `erase` for good",
        "every sample is like the others of its identity",
        as_json,
    )


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
@SAMPLES
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
@SAMPLES
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


def _print_found(
    found: Sequence[Record], headings: list[str], so: str, nothing: str, as_json: bool
) -> None:
    """What may be wrong, and what to do about it."""
    if as_json:
        print_json(found)
    elif found:
        print_table(headings, [list(each.to_dict().values()) for each in found])
        click.echo(so)
    else:
        click.echo(nothing)


def _pairs(metadata: dict[str, object]) -> str | None:
    return ", ".join(f"{key}={value}" for key, value in metadata.items()) or None


COMMANDS = (list_identities, samples, duplicates, mix_ups, rename, merge, move, erase, log, undo)
