"""The same calls give the same answers in memory and in PostgreSQL, order included."""

from __future__ import annotations

from itertools import count, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facenet.errors import StoreError
from facenet.plugins import Registry
from facenet.testing.galleries import DIM, directions, heaviest
from facenet.types import IdentityRecord, Match, Samples

if TYPE_CHECKING:
    from facenet.types import Store, Vector

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
templates = st.sampled_from([None, heaviest, alternating])
calls = st.one_of(
    st.tuples(st.just("enrol"), identities, rows, keys, metadata, weights, templates),
    st.tuples(st.just("forget"), identities),
    st.tuples(st.just("get"), identities),
    st.tuples(st.just("samples"), identities),
    st.tuples(st.just("search"), st.integers(1, 5), st.sampled_from([-1.0, 0.0, 0.4])),
)
_tables = count()


def answer(store: Store, call: tuple[Any, ...]) -> Any:
    """What a store answers, as plain values; the error's kind when it refuses."""
    try:
        match call:
            case ("enrol", name, rows, keys, metadata, weights, template):
                return store.enrol(
                    name,
                    SAMPLES[rows],
                    keys=keys,
                    metadata=metadata,
                    weights=weights and weights[: len(rows)],
                    template=template,
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


def contents(store: Store) -> Any:
    records = list(store.identities())
    samples = [exact(store.samples(record.identity)) for record in records]
    return store.count(), store.stats().samples, [plain(record) for record in records], samples


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(calls, min_size=4, max_size=25))
def test_memory_and_postgres_agree(embedded_dir: Path, sequence: list[tuple[Any, ...]]) -> None:
    registry = Registry()
    pgvector = registry.load("store", "pgvector")
    options = {"data_dir": embedded_dir, "table": f"congruence_{next(_tables)}"}
    binding = {"embedding_dim": DIM, "space": "s"}
    memory = registry.load("store", "memory").make_from({}, **binding)
    with memory, pgvector.make_from(options, **binding) as postgres:
        for call in sequence:
            assert answer(memory, call) == answer(postgres, call), call
        assert contents(memory) == contents(postgres)
