"""Identifying a face: one search after the other, against bare pgvector and bare FAISS.

The references search the same vectors without facenet: pgvector's HNSW index over `halfvec` with
ef_search 100 on the same embedded server, FAISS's exact scan, and its HNSW graph (32 links,
efSearch 100) in this process. facenet also asks the server whether its templates are still those of
the gallery, and answers with names and metadata. Truth is an exact comparison in float64. With
`--milvus` facenet's other store joins in, on milvus-lite with either index.

`clustered`: 20 people around each of N/20 random directions, as resemblance makes them; a probe is
another photo of one of them. `random`: directions without any structure, the worst case of a graph.

usage: python benchmarks/store.py [--people N ...] [--dims D ...] [--vectors KIND ...] [--probes N]
    [--milvus]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faiss
import numpy as np
import psutil
from pgvector import HalfVector
from pgvector.psycopg import register_vector

from facenet.stores import Addition, BulkStore
from facenet_pgvector import Options, connections
from facenet_pgvector.embedded import EmbeddedServer
from facenet_pgvector.store import PgVectorStore, open_store

TOP_K, BATCH, RELATIVES, WIDTH, IN_TURN = 10, 2000, 20, 100, 25
PLACES = {"clustered": 0.5, "random": 0.0}
"""How far each is from its cluster's middle, in lengths of the middle; 0: there is none."""
OTHER_PHOTO = 0.8
TABLE = "CREATE TABLE bare (person bigint PRIMARY KEY, embedding halfvec({dim}) NOT NULL)"
INDEX = "CREATE INDEX ON bare USING hnsw (embedding halfvec_cosine_ops)"
NEAREST = "SELECT person FROM bare ORDER BY embedding <=> %b LIMIT 10"

Search = Callable[[Any], Sequence[int]]


def unit(vectors: Any) -> Any:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def gallery(people: int, dim: int, kind: str, probes: int) -> tuple[Any, Any]:
    """(people, dim) templates, and (probes, dim) other photos of some of them."""
    random = np.random.default_rng(0)
    noise = random.standard_normal((people, dim), np.float32) / np.sqrt(dim)
    if PLACES[kind]:
        middles = random.standard_normal((-(-people // RELATIVES), dim), np.float32) / np.sqrt(dim)
        noise = np.repeat(middles, RELATIVES, axis=0)[:people] + PLACES[kind] * noise
    templates = unit(noise)
    shown = templates[random.integers(people, size=probes)]
    photo = random.standard_normal((probes, dim), np.float32) / np.sqrt(dim)
    return templates, unit(shown + OTHER_PHOTO * photo)


def truth(templates: Any, probes: Any) -> Any:
    """(probes, TOP_K) places of the best, best first."""
    exact, best = templates.astype(np.float64), []
    for probe in probes.astype(np.float64):
        similarities = exact @ probe
        few = np.argpartition(-similarities, TOP_K)[:TOP_K]
        best.append(few[np.argsort(-similarities[few])])
    return np.array(best)


def fill(store: BulkStore, templates: Any) -> float:
    """How many identities were enrolled in a second."""
    begun = time.perf_counter()
    for start in range(0, len(templates), BATCH):
        rows = templates[start : start + BATCH]
        store.enrol_many([Addition(f"{start + row:08}", each) for row, each in enumerate(rows)])
    return len(templates) / (time.perf_counter() - begun)


def milvus(stack: ExitStack, folder: Path, templates: Any) -> dict[str, Search]:
    """facenet's milvus store with each index, as it is when it is opened again."""
    from facenet_milvus import Options as MilvusOptions
    from facenet_milvus.store import open_store as open_milvus

    searches, dim = {}, templates.shape[1]
    for index in ("FLAT", "HNSW"):
        place = folder / f"{index}.db"
        options = MilvusOptions(uri=str(place), index=index)
        with open_milvus(options, dim, "benchmark") as store:
            rate = fill(store, templates)
        size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
        start = time.perf_counter()
        store = stack.enter_context(open_milvus(options, dim, "benchmark"))
        searches[f"facenet, milvus {index}"] = search_of(store)
        searches[f"facenet, milvus {index}"](templates[:1])
        say(
            f"milvus-lite {index}: {rate:,.0f} enrolled/s, {size / len(templates):,.0f} bytes of "
            f"disk each, ready after {time.perf_counter() - start:.1f} s"
        )
    return searches


def search_of(store: Any) -> Search:
    return lambda probe: [int(match.identity) for match in store.search(probe, top_k=TOP_K)[0]]


def bare_pgvector(connection: Any, templates: Any) -> Search:
    register_vector(connection)
    connection.execute(TABLE.format(dim=templates.shape[1]))
    with connection.cursor().copy("COPY bare FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int8", "halfvec"])
        for person, vector in enumerate(templates):
            copy.write_row((person, HalfVector(vector)))
    connection.execute("SET maintenance_work_mem = '2GB'")
    connection.execute(INDEX)
    connection.execute("ANALYZE bare")
    connection.execute(f"SET hnsw.ef_search = {WIDTH}")

    def search(probe: Any) -> Sequence[int]:
        cursor = connection.execute(NEAREST, [HalfVector(probe[0])], prepare=True, binary=True)
        return [person for (person,) in cursor]

    return search


def bare_faiss(index: Any, templates: Any) -> Search:
    index.add(templates)
    return lambda probe: index.search(probe, TOP_K)[1][0].tolist()


def memory() -> int:
    return int(psutil.Process().memory_info().rss)


def run(people: int, dim: int, kind: str, count: int, with_milvus: bool) -> None:
    templates, probes = gallery(people, dim, kind, count)
    best = truth(templates, probes)
    with ExitStack() as stack:
        folder = stack.enter_context(
            TemporaryDirectory(prefix="facenet-bench-", ignore_cleanup_errors=True)
        )
        options = Options(data_dir=Path(folder, "not yet there", "postgres"))
        assert options.data_dir is not None
        server = stack.enter_context(EmbeddedServer(options.data_dir))
        with open_store(options, dim, "benchmark") as store:
            rate = fill(store, templates)
        before, start = memory(), time.perf_counter()
        store = stack.enter_context(open_store(options, dim, "benchmark"))
        ours = ready(store, probes[:1])
        say(
            f"{people:,} x {dim}, {kind}: {rate:,.0f} enrolled/s, index ready after "
            f"{time.perf_counter() - start:.1f} s, {(memory() - before) / 2**20:.0f} MiB; "
            f"{count} probes, {IN_TURN} in turn"
        )
        connection = stack.enter_context(connections.connect(server.parameters))
        connection.patience = None
        graph = faiss.IndexHNSWFlat(dim, 32, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efSearch = WIDTH
        searches = {
            "facenet": ours,
            "pgvector HNSW, halfvec": bare_pgvector(connection, templates),
            "FAISS HNSW": bare_faiss(graph, templates),
            "FAISS Flat": bare_faiss(faiss.IndexFlatIP(dim), templates),
        }
        if with_milvus:
            searches |= milvus(stack, Path(folder), templates)
        report(searches, probes, best)


def ready(store: PgVectorStore, probe: Any) -> Search:
    """The store's search, once its index is built."""
    store.search(probe)
    store.wait_for_index()
    return search_of(store)


def report(searches: dict[str, Search], probes: Any, best: Any) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    first, all_ten = dict.fromkeys(searches, 0), dict.fromkeys(searches, 0)
    for start in range(0, len(probes), IN_TURN):
        block = range(start, min(start + IN_TURN, len(probes)))
        for name, search in searches.items():
            for place in block:
                begun = time.perf_counter()
                found = search(probes[place : place + 1])
                seconds[name].append(time.perf_counter() - begun)
                first[name] += found[0] == best[place][0]
                all_ten[name] += len(set(found) & set(best[place]))
    ours = np.median(seconds["facenet"])
    say(f"{'':26}{'p50':>8}{'p99':>12}  p50/facenet  recall@1  recall@10")
    for name, values in seconds.items():
        p50, p99 = np.quantile(values, [0.5, 0.99])
        recalls = first[name] / len(probes), all_ten[name] / best.size
        say(
            f"{name:26}{p50 * 1e3:8.3f} ms{p99 * 1e3:9.3f} ms{p50 / ours:11.2f}"
            f"{recalls[0]:12.4f}{recalls[1]:11.4f}"
        )


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--dims", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--vectors", nargs="+", choices=PLACES, default=list(PLACES))
    parser.add_argument("--probes", type=int, default=500)
    parser.add_argument("--milvus", action="store_true")
    given = parser.parse_args()
    for people in given.people:
        for dim in given.dims:
            for kind in given.vectors:
                run(people, dim, kind, given.probes, given.milvus)


if __name__ == "__main__":
    main()
