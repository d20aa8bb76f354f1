"""The processes of the fault harness: one writes to a store until it is killed, one checks it."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import click

from facenet.errors import FacenetError
from facenet.plugins import Registry
from facenet.records import plain
from facenet.stores import CropStore, Store
from facenet.testing.faults.checks import check_store
from facenet.testing.faults.journal import (
    DIM,
    LARGEST,
    Event,
    Journal,
    Operation,
    read_journal,
)

SPACE = "faults"
THREADS = 6
IDENTITIES = 5
"""Fewer than threads, so that some of them always write to one identity."""


@dataclass(frozen=True)
class Plan:
    """What a worker works on; `kept` are the enrolments that the gallery holds from before."""

    store: str
    options: Mapping[str, str]
    journal: str
    seed: int
    first: int
    kept: list[dict[str, Any]]

    def open(self) -> Store:
        plugin = Registry().load("store", self.store)
        store: Store = plugin.make_from(self.options, embedding_dim=DIM, space=SPACE)
        return store


def write(plan: Plan) -> None:
    """Enrol and forget in several threads until the process is killed; prints when it begins.

    A thread that the store refuses says so on standard error, and ends.
    """
    store, journal, numbers = plan.open(), Journal(Path(plan.journal)), count(plan.first)

    def work(random: Random) -> None:
        while True:
            operation = _chosen(random, next(numbers), isinstance(store, CropStore))
            journal.begin(operation)
            try:
                _carry_out(store, operation)
            except FacenetError as error:
                click.echo(str(error), err=True)
                return
            journal.done(operation)

    click.echo("open")
    threads = [
        threading.Thread(target=work, args=[Random(f"{plan.seed} {number}")])
        for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def check(plan: Plan) -> None:
    """Open the store, compare it with its journal, and print what was found as JSON."""
    begun = time.perf_counter()
    with plan.open() as store:
        seconds = time.perf_counter() - begun
        past = [Event.of_the_past(Operation(**operation)) for operation in plan.kept]
        findings = check_store(store, [*past, *read_journal(Path(plan.journal))])
    click.echo(json.dumps({"seconds": seconds, "findings": plain(findings)}))


def _chosen(random: Random, number: int, crops: bool) -> Operation:
    identity = f"person-{random.randrange(IDENTITIES)}"
    if random.random() < 0.03:
        return Operation(number, "forget", identity)
    return Operation(
        number,
        "enrol",
        identity,
        samples=random.randint(1, LARGEST),
        weighted=random.random() < 0.3,
        cropped=crops and random.random() < 0.2,
    )


def _carry_out(store: Store, operation: Operation) -> None:
    if operation.kind == "forget":
        store.forget(operation.identity)
        return
    crops: dict[str, Any] = {"crops": operation.crops} if operation.cropped else {}
    store.enrol(
        operation.identity,
        operation.embeddings,
        keys=operation.keys,
        weights=operation.weights if operation.weighted else None,
        **crops,
    )


def main() -> int:
    """`write` or `check`, and the plan as a JSON file."""
    task, path = sys.argv[1:]
    plan = Plan(**json.loads(Path(path).read_text()))
    try:
        {"write": write, "check": check}[task](plan)
    except FacenetError as error:
        click.echo(str(error), err=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
