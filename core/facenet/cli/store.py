"""`facenet store status|stop|dump|restore|audit|recall`, and the group of all its commands."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli import curation, retention
from facenet.cli.drift import drift
from facenet.cli.main import INTERRUPTED
from facenet.cli.migrate import migrate
from facenet.cli.options import (
    PATH,
    config_options,
    json_option,
    load_inference_config,
    open_recognizer,
)
from facenet.cli.output import print_json, print_table, progress
from facenet.text import count, size

if TYPE_CHECKING:
    from facenet.recognition import Audit
    from facenet.stores import StoreManager, StoreStatus


@click.group("store")
def command() -> None:
    """Look after the gallery: its server, its backup, its health, and who is in it."""


for each in (*curation.COMMANDS, *retention.COMMANDS, drift, migrate):
    command.add_command(each)


@command.command()
@config_options("inference")
@json_option
def status(config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Say where the gallery is and what it holds; no server is started for it."""
    seen = _manager(config, overrides).status()
    if as_json:
        print_json(seen)
    else:
        print_table(["", ""], _rows(seen))


@command.command()
@config_options("inference")
@click.option("--force", is_flag=True, help="Also while other processes use it.")
def stop(config: Path, overrides: tuple[str, ...], force: bool) -> None:
    """Stop the gallery's own server cleanly; whoever needs it next starts it again."""
    stopped = _manager(config, overrides).stop(force=force)
    click.echo("stopped" if stopped else "no server runs")


@command.command()
@click.argument("file", type=PATH)
@config_options("inference")
@json_option
def dump(file: Path, config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Write the whole gallery to FILE, as it is at one moment, while it may be used.

    FILE holds biometric data, and is readable by you alone.
    """
    held = _manager(config, overrides).dump(file)
    if as_json:
        print_json({"file": file, **held.to_dict()})
    else:
        click.echo(f"{file}: {_contents(held)}, {size(held.size or 0)}")


@command.command()
@click.argument("file", type=PATH)
@config_options("inference")
@click.option("--replace", is_flag=True, help="Put it in the place of the gallery that is there.")
@json_option
def restore(
    file: Path, config: Path, overrides: tuple[str, ...], replace: bool, as_json: bool
) -> None:
    """Bring the gallery back from FILE, a dump of the same model: all of it, or nothing changes."""
    manager = _manager(config, overrides)
    with open_recognizer(config, overrides) as recognizer:
        model = recognizer.model
        held = manager.restore(
            file, embedding_dim=model.embedding_dim, space=model.card.space, replace=replace
        )
    if as_json:
        print_json(held)
    else:
        click.echo(f"{file}: {_contents(held)} restored to {held.place}")


@command.command()
@config_options("inference")
@click.option("--repair", is_flag=True, help="Put right what can be; duplicates never are.")
@json_option
def audit(config: Path, overrides: tuple[str, ...], repair: bool, as_json: bool) -> int:
    """Recompute the gallery from its samples; exit code 1 when something is and stays wrong."""
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition import audit
        from facenet.recognition.enrolment import template_of
        from facenet.signals import stopped_by_signals

        with stopped_by_signals() as asked, progress("auditing") as update:
            found = audit(
                recognizer.store,
                repair=repair,
                template=template_of(recognizer.config),
                progress=update,
                stop=asked.is_set,
            )
    if as_json:
        print_json(found)
    else:
        _print(found)
    if not found.whole:
        click.echo("facenet: interrupted: the rest of the gallery was not looked at", err=True)
        return INTERRUPTED
    return 1 if found.open else 0


@command.command()
@config_options("inference")
@click.option(
    "--probes", type=click.IntRange(1), default=200, show_default=True, help="Searches to make."
)
@click.option(
    "--top-k", type=click.IntRange(1), default=10, show_default=True, help="Matches of each."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the probes.")
@json_option
def recall(
    config: Path, overrides: tuple[str, ...], probes: int, top_k: int, seed: int, as_json: bool
) -> None:
    """Compare what a search finds with what is nearest, and say how long it takes.

    Probes are templates of the gallery with noise; the truth is their similarity with every one.
    """
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition import measure_recall

        with progress("searching") as update:
            found = measure_recall(
                recognizer.store, probes=probes, top_k=top_k, seed=seed, progress=update
            )
    if as_json:
        print_json(found)
        return
    rows = [
        ("gallery", f"{found.identities:,} identities in {found.backend}"),
        ("probes", f"{found.probes:,}"),
        ("recall@1", found.recall_at_1),
        (f"recall@{found.top_k}", found.recall_at_k),
        ("answers with too few rows", found.short),
        ("milliseconds, median", f"{found.p50_ms:.2f}"),
        ("milliseconds, 99 of 100", f"{found.p99_ms:.2f}"),
        ("milliseconds, the first", f"{found.first_ms:.2f}"),
    ]
    print_table(["", ""], rows)


def _manager(config: Path, overrides: tuple[str, ...]) -> StoreManager:
    """What manages the place of the configured store; the model is not loaded."""
    loaded = load_inference_config(config, overrides)
    from facenet.licensing import check_licences, extension_chains, plugin_chains
    from facenet.plugins import Registry

    keeper = Registry().load("store", loaded.store.plugin)
    check_licences(loaded.licences.allow, [*plugin_chains(keeper), *extension_chains()])
    return keeper.manage_from(loaded.store.options, config_dir=loaded.config_dir)


def _rows(seen: StoreStatus) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("place", seen.place),
        ("running", "yes" if seen.running else "no"),
        ("server", seen.server),
        ("on disk", None if seen.size is None else size(seen.size)),
    ]
    if seen.users:
        rows.append(("used by", ", ".join(f"pid {pid}" for pid in seen.users)))
    if seen.schema_version is not None:
        rows += [
            ("schema version", str(seen.schema_version)),
            ("identities", f"{seen.identities:,}"),
            ("samples", f"{seen.samples:,}"),
            ("embedding space", f"{seen.space}, {seen.embedding_dim} numbers"),
        ]
    return rows


def _contents(held: StoreStatus) -> str:
    samples, identities = held.samples or 0, held.identities or 0
    return f"{count(samples, 'sample')} of {count(identities, 'identity', 'identities')}"


def _print(found: Audit) -> None:
    for finding in found.findings:
        done = "repaired: " if finding.repaired else ""
        click.echo(f"{finding.kind}: {done}{finding.text}")
    kinds = Counter((finding.kind, finding.repaired) for finding in found.findings)
    rows = [(kind, "yes" if done else "no", number) for (kind, done), number in kinds.items()]
    if rows:
        print_table(["found", "repaired", "number"], rows)
    click.echo(
        f"{count(found.identities, 'identity', 'identities')} and "
        f"{count(found.samples, 'sample')} looked at, {count(len(found.findings), 'finding')}, "
        f"{found.open} open; largest drift of a template {found.largest_drift:.0e}"
    )
