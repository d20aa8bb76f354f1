"""Writing to a gallery in PostgreSQL: one face at a time, and many, against the bare database.

The references are what one would write without facenet, with the same psycopg, to the same embedded
server, in transactions of the same durability: an INSERT of (person, vector) into a table with an
HNSW index of the same number of rows, and a binary COPY of such rows into a table with a primary
key. facenet keeps a template of each person, and a key of each sample, besides.

usage: python benchmarks/store_writes.py [--people N] [--calls N] [--rows N] [--rounds N]
       [--dims D ...]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from pgvector import Vector as SqlVector

from facenet.stores import Addition
from facenet_pgvector import Options, connections
from facenet_pgvector.embedded import EmbeddedServer
from facenet_pgvector.store import PgVectorStore, open_store

SAMPLES_OF_A_PERSON = 20
THREADS = 8
BATCH = 1000
TABLES = """
CREATE TABLE plain (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person bigint NOT NULL,
    embedding vector({dim}) NOT NULL
);
CREATE TABLE indexed (LIKE plain INCLUDING ALL);
"""
INDEX = "CREATE INDEX ON indexed USING hnsw (embedding vector_cosine_ops)"
INSERT = "INSERT INTO indexed (person, embedding) VALUES (%s, %s)"
COPY = "COPY {table} (person, embedding) FROM STDIN (FORMAT binary)"


@dataclass
class Bench:
    """A gallery, and two bare tables on the same server."""

    store: PgVectorStore
    pool: Any
    dim: int
    numbers: Iterator[int] = field(default_factory=count)

    def vectors(self, rows: int) -> Any:
        """(rows, dim) float32 of unit length."""
        made = np.random.default_rng(next(self.numbers)).standard_normal((rows, self.dim))
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)

    def additions(self, rows: int, each: int = SAMPLES_OF_A_PERSON) -> list[Addition]:
        """New people with `each` samples, `rows` in all."""
        return [
            Addition(
                f"person {next(self.numbers)}", mine, [f"key {next(self.numbers)}" for _ in mine]
            )
            for mine in np.split(self.vectors(rows), rows // each)
        ]

    def fill(self, people: int) -> None:
        """Give the gallery and the indexed table so many rows."""
        for _ in range(0, people, BATCH):
            self.store.enrol_many(self.additions(BATCH, each=1))
        with self.pool.connection() as connection:
            connection.execute(TABLES.format(dim=self.dim))
        self.copy(self.vectors(people), "indexed")
        with self.pool.connection() as connection:
            connection.execute(INDEX)
            connection.execute("ANALYZE")

    def enrol(self, addition: Addition) -> None:
        self.store.enrol(addition.identity, addition.embeddings, keys=addition.keys)

    def insert(self, vector: Any) -> None:
        with self.pool.connection() as connection:
            connection.execute(INSERT, [1, SqlVector(vector)])

    def copy(self, vectors: Any, table: str = "plain") -> None:
        """Binary COPY as psycopg's documentation has it."""
        with (
            self.pool.connection() as connection,
            connection.cursor().copy(COPY.format(table=table)) as copy,
        ):
            copy.set_types(["int8", "vector"])
            for person, vector in enumerate(vectors):
                copy.write_row((person, SqlVector(vector)))


def timed(call: Callable[..., object], *arguments: Any) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def one_by_one(bench: Bench, calls: int, rounds: int) -> Iterator[str]:
    """Latencies of calls that take turns."""
    seconds: dict[str, list[float]] = {"bare INSERT": [], "enrol, new": [], "enrol, known": []}
    for _ in range(rounds):
        new, known = bench.additions(calls, each=1), bench.additions(calls, each=1)
        bench.store.enrol_many(known)
        for first, second, vector in zip(new, known, bench.vectors(calls), strict=True):
            again = Addition(second.identity, vector, ["another key"])
            seconds["bare INSERT"].append(timed(bench.insert, vector))
            seconds["enrol, new"].append(timed(bench.enrol, first))
            seconds["enrol, known"].append(timed(bench.enrol, again))
    bare = np.quantile(seconds["bare INSERT"], [0.5, 0.99])
    for name, values in seconds.items():
        taken = np.quantile(values, [0.5, 0.99])
        cells = zip(taken * 1e3, taken / bare, strict=True)
        yield f"{name:34}" + "".join(f"{ms:8.2f} ms ({ratio:4.2f})" for ms, ratio in cells)


def many(bench: Bench, rows: int, rounds: int) -> Iterator[str]:
    """Rows per second of one call; the first round, which is not counted, fills caches."""
    ours, bare = [], []
    for _ in range(rounds + 1):
        additions = bench.additions(rows)
        vectors = np.concatenate([addition.embeddings for addition in additions])
        bare.append(timed(bench.copy, vectors))
        ours.append(timed(bench.store.enrol_many, additions))
    copied, enrolled = (statistics.median(seconds[1:]) for seconds in (bare, ours))
    yield f"{'bare COPY':34}{rows / copied:8,.0f} rows/s (1.00)"
    name = f"enrol_many, {rows:,} rows"
    yield f"{name:34}{rows / enrolled:8,.0f} rows/s ({copied / enrolled:4.2f})"


def from_threads(bench: Bench, calls: int, rounds: int) -> Iterator[str]:
    """Rows per second of single rows and of batches, from one thread and from several."""
    for name, rows, batch in (
        ("enrol, one row", calls, 1),
        (f"enrol_many, {BATCH:,} rows", THREADS * BATCH, BATCH),
    ):
        cells = []
        for threads in (1, THREADS):
            rates = []
            for _ in range(rounds):
                additions = bench.additions(rows, each=min(batch, SAMPLES_OF_A_PERSON))
                size = max(1, batch // SAMPLES_OF_A_PERSON)
                work = [additions[at : at + size] for at in range(0, len(additions), size)]
                rates.append(rows / timed(_in_threads, bench, threads, work))
            cells.append(f"{statistics.median(rates):8,.0f} rows/s, {threads} threads")
        yield f"{name:34}" + "".join(cells)


def _in_threads(bench: Bench, threads: int, work: Sequence[list[Addition]]) -> None:
    def do(additions: list[Addition]) -> None:
        if len(additions) == 1:
            bench.enrol(additions[0])
        else:
            bench.store.enrol_many(additions)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(do, work))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dims", type=int, nargs="+", default=[512, 128])
    given = parser.parse_args()
    for dim in given.dims:
        with TemporaryDirectory(prefix="facenet-bench-", ignore_cleanup_errors=True) as folder:
            options = Options(data_dir=Path(folder, "not yet there", "postgres"))
            assert options.data_dir is not None
            with (
                EmbeddedServer(options.data_dir) as server,
                open_store(options, dim, "benchmark") as store,
                connections.pool_of(server.parameters) as pool,
            ):
                bench = Bench(store, pool, dim)
                bench.fill(given.people)
                sys.stdout.write(
                    f"D = {dim}, {given.people:,} people, {given.rounds} interleaved rounds; in "
                    "brackets: multiples of the bare database\n"
                    f"{'':34}{'p50':>11}{'p99':>18}\n"
                )
                for part in (
                    one_by_one(bench, given.calls, given.rounds),
                    many(bench, given.rows, given.rounds),
                    from_threads(bench, given.calls, given.rounds),
                ):
                    for line in part:
                        sys.stdout.write(f"{line}\n")
                        sys.stdout.flush()


if __name__ == "__main__":
    main()
