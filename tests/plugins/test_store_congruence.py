"""The same calls give the same answers in memory and in PostgreSQL, order included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facenet.errors import StoreError
from facenet.plugins import Registry
from facenet.stores import IdentityRecord, Match, Samples
from facenet.testing.galleries import DIM, directions, heaviest, names

if TYPE_CHECKING:
    from facenet.stores import CropStore
    from facenet.types import Vector

# Weighted sums of these are exact, so that equal centroids are equal to the last bit in both
# stores; the probes are in general position, so that other similarities differ by more than
# rounding.
SAMPLES = np.array(
    [*np.eye(DIM), *-np.eye(DIM), *(np.array(list(product([-0.5, 0.5], repeat=4))))], np.float32
)
PROBES = directions(3, seed=7)


def alternating(samples: Samples) -> Vector:
    """A template that depends on the order of the samples, and may be zero."""
    signs = np.where(np.arange(len(samples.weights)) % 2, -samples.weights, samples.weights)
    return signs @ samples.embeddings


rows = st.lists(st.integers(0, len(SAMPLES) - 1), min_size=1, max_size=4)
identities = st.sampled_from(["a", "b", "B", "é", "a b", "'", ""])
keys = st.none() | st.lists(st.sampled_from("xyz"), min_size=1, max_size=4)
metadata = st.dictionaries(
    st.sampled_from(["team", "n"]),
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just([1, {"x": 0.5}]),
)
weights = st.none() | st.lists(st.sampled_from([1, 0.5, 0.25]), min_size=4, max_size=4)
crops = st.none() | st.lists(st.sampled_from([None, b"x", b"y"]), min_size=4, max_size=4)
templates = st.sampled_from([None, heaviest, alternating])
calls = st.one_of(
    st.tuples(st.just("enrol"), identities, rows, keys, metadata, weights, templates, crops),
    st.tuples(st.just("forget"), identities),
    st.tuples(st.just("get"), identities),
    st.tuples(st.just("samples"), identities),
    st.tuples(st.just("crops"), identities),
    st.tuples(st.just("search"), st.integers(1, 5), st.sampled_from([-1.0, 0.0, 0.4])),
)
# Some are equal in PostgreSQL and not in Python, some the other way round.
ALIKE = [[None, False, 0, -0.0, ""], [True, 1, 1.0, "1"], [10**23, 1e23], ["é", "e\u0301"]]
scalars = st.sampled_from([value for alike in ALIKE for value in alike])
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["", "a", "é", "b", "'"]), inner, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from(["a", "b", "é", "'"]), values, min_size=1, max_size=3)
_tables = count()


@st.composite
def parts_of(draw: st.DrawFn, value: Any) -> Any:
    """Mostly what a value contains: of objects and arrays some, in another order."""
    match value:
        case dict():
            kept = draw(st.sets(st.sampled_from(sorted(value)), min_size=1)) if value else set()
            return {key: draw(parts_of(value[key])) for key in kept}
        case list():
            kept = value and draw(
                st.lists(st.sampled_from(range(len(value))), min_size=1, max_size=3)
            )
            return [draw(parts_of(value[place])) for place in kept]
    [alike] = [alike for alike in ALIKE if value in alike]
    return draw(st.sampled_from([value, *alike]))


def answer(store: CropStore, call: tuple[Any, ...]) -> Any:
    """What a store answers, as plain values; the error's kind when it refuses."""
    try:
        match call:
            case ("enrol", name, rows, keys, metadata, weights, template, crops):
                return store.enrol(
                    name,
                    SAMPLES[rows],
                    keys=keys,
                    metadata=metadata,
                    weights=weights and weights[: len(rows)],
                    template=template,
                    crops=crops and crops[: len(rows)],
                )
            case ("search", top_k, min_similarity):
                found = store.search(PROBES, top_k=top_k, min_similarity=min_similarity)
                return [[plain(match) for match in matches] for matches in found]
            case ("forget", name):
                return store.forget(name).samples
            case ("get", name):
                return plain(store.get(name))
            case ("samples", name):
                return exact(store.samples(name))
            case ("crops", name):
                return store.crops(name)
    except StoreError:
        return StoreError
    raise AssertionError(call)


class Near(float):
    """A number that equals any other within rounding."""

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, float) and abs(self - other) < 1e-5


def plain(found: Match | IdentityRecord | None) -> Any:
    if found is None:
        return None
    numbers = [found.similarity] if isinstance(found, Match) else found.centroid.tolist()
    return found.identity, found.samples, found.metadata, [Near(number) for number in numbers]


def exact(samples: Samples) -> Any:
    return [part.tolist() for part in samples]


def contents(store: CropStore) -> Any:
    records = list(store.identities())
    samples = [exact(store.samples(record.identity)) for record in records]
    crops = [store.crops(record.identity) for record in records]
    return store.count(), store.stats().samples, list(map(plain, records)), samples, crops


@contextmanager
def opened(data_dir: Path) -> Iterator[tuple[CropStore, CropStore]]:
    """The same empty gallery in memory and in PostgreSQL."""
    registry = Registry()
    pgvector = registry.load("store", "pgvector")
    options = {"data_dir": data_dir, "table": f"congruence_{next(_tables)}"}
    binding = {"embedding_dim": DIM, "space": "s"}
    memory = registry.load("store", "memory").make_from({}, **binding)
    with memory, pgvector.make_from(options, **binding) as postgres:
        yield memory, postgres


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(calls, min_size=4, max_size=25))
def test_memory_and_postgres_agree(embedded_dir: Path, sequence: list[tuple[Any, ...]]) -> None:
    with opened(embedded_dir) as (memory, postgres):
        for call in sequence:
            assert answer(memory, call) == answer(postgres, call), call
        assert contents(memory) == contents(postgres)


@pytest.fixture
def both(embedded_dir: Path) -> Iterator[tuple[CropStore, CropStore]]:
    with opened(embedded_dir) as stores:
        yield stores


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(objects, min_size=1, max_size=5), st.data())
def test_memory_and_postgres_agree_on_filters(
    both: tuple[CropStore, CropStore], held: list[dict[str, Any]], data: st.DataObject
) -> None:
    memory, postgres = both
    for number, metadata in enumerate(held):
        for store in both:
            store.forget(f"{number}")
            store.enrol(f"{number}", SAMPLES[number], metadata=metadata)
    parts = st.sampled_from(held).flatmap(parts_of)
    for where in data.draw(st.lists(parts | objects, min_size=5, max_size=20)):
        assert names(memory, PROBES[0], where=where) == names(postgres, PROBES[0], where=where)
