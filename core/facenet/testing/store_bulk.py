"""The part of `StoreSuite` that is about many additions at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from facenet.errors import StoreError
from facenet.stores import Addition, BulkStore, Samples, Store
from facenet.testing.galleries import (
    DIM,
    OpenStore,
    axis,
    directions,
    everything,
    heaviest,
    held,
    unit,
)
from facenet.testing.store_crops import FACE, OTHER, keeping

MIXED = [
    Addition("ann", directions(3), ["a", "b", "a"], {"team": "red", "left": 1}, [1, 0.5, 0.25]),
    Addition("bob", directions(2, seed=1) * 9),
    Addition("nobody", directions(0), metadata={"lost": True}),
    Addition("ann", directions(2, seed=2), ["b", "c"], {"team": "blue"}),
    Addition("late", directions(0), metadata={"lost": True}),
    Addition("late", axis(0), metadata={"kept": True}),
    Addition("late", directions(0), metadata={"more": 1}),
]
"""What `enrol` takes, in most of the ways in which it can be given."""
BAD = {
    "NaN": Addition("bob", np.full((1, DIM), np.nan, np.float32)),
    "no name": Addition(" ", axis(0)),
    "too few keys": Addition("bob", directions(2), keys=["a"]),
    "weight": Addition("bob", axis(0), weights=[2.0]),
    "metadata": Addition("bob", axis(0), metadata={"value": object()}),
    "cancels out": Addition("ann", -directions(1)),
}


class BulkTests:
    """Needs the fixtures `store`, an empty gallery, `open_store` and `needs_persistence`; skipped
    where the store takes samples of one identity at a time only."""

    @pytest.fixture
    def bulk(self, store: Store) -> BulkStore:
        if not isinstance(store, BulkStore):
            pytest.skip("this store takes samples of one identity at a time")
        return store

    @pytest.mark.parametrize("template", [None, heaviest], ids=["mean", "heaviest"])
    def test_many_are_like_one_by_one(self, bulk: BulkStore, template: Any) -> None:
        """If this fails: samples, weights, templates, metadata or counts depend on whether they
        come in one call or in several."""
        bulk.enrol("bob", directions(2, seed=3), keys=["x", "y"], weights=[0.3, 0.4])
        one_by_one = [
            bulk.enrol(
                addition.identity,
                addition.embeddings,
                keys=addition.keys,
                metadata=addition.metadata,
                weights=addition.weights,
                template=template,
            )
            for addition in MIXED
        ]
        expected = everything(bulk)
        for record in list(bulk.identities()):
            bulk.forget(record.identity)
        bulk.enrol("bob", directions(2, seed=3), keys=["x", "y"], weights=[0.3, 0.4])
        assert bulk.enrol_many(MIXED, template=template) == one_by_one == [2, 2, 0, 1, 0, 1, 0]
        for now, before in zip(everything(bulk), expected, strict=True):
            assert now[0].pop("centroid") == pytest.approx(before[0].pop("centroid"), abs=1e-6)
            assert now == before

    def test_nothing_adds_nothing(self, bulk: BulkStore) -> None:
        """If this fails: an empty list raises, or invents something."""
        assert bulk.enrol_many([]) == []
        assert bulk.count() == 0

    @pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
    def test_one_bad_addition_writes_nothing(self, bulk: BulkStore, bad: Addition) -> None:
        """If this fails: the good additions before a bad one stay, or the error does not say whose
        addition is meant."""
        bulk.enrol("ann", directions(1), metadata={"team": "red"})
        before = everything(bulk)
        with pytest.raises(StoreError) as caught:
            bulk.enrol_many([Addition("new", axis(0)), Addition("bob", axis(1), ["k"]), bad])
        assert repr(bad.identity) in str(caught.value)
        assert everything(bulk) == before
        assert bulk.holds([("bob", "k")]) == [False]

    def test_template_that_raises_adds_none(self, bulk: BulkStore) -> None:
        """If this fails: an error of a template is hidden, or half of the additions stay."""

        def failing(samples: Samples) -> Any:
            raise LookupError("of a template")

        with pytest.raises(LookupError, match="of a template"):
            bulk.enrol_many(MIXED, template=failing)
        assert bulk.count() == 0

    def test_keys_hold_within_and_across_calls(self, bulk: BulkStore) -> None:
        """If this fails: a key is added twice: of one addition, of two in a call, or of two calls;
        or a key of one identity stops another from using it."""
        bulk.enrol("ann", axis(0), keys=["a"])
        additions = [
            Addition("ann", directions(3), ["a", "b", "b"]),
            Addition("bob", directions(2), ["a", "b"]),
            Addition("ann", directions(2), ["b", "c"]),
        ]
        assert bulk.enrol_many(additions) == [1, 2, 1]
        assert bulk.enrol_many(additions) == [0, 0, 0]
        assert bulk.enrol("ann", directions(2), keys=["c", "d"]) == 1
        assert (held(bulk, "ann").samples, held(bulk, "bob").samples) == (4, 2)

    def test_held_keys_are_known(self, bulk: BulkStore) -> None:
        """If this fails: a key counts as held by whoever did not enrol it, or answers are out of
        order."""
        bulk.enrol_many(
            [Addition("ann", directions(2), ["a", "b"]), Addition("bob", axis(0), ["c"])]
        )
        asked = [("bob", "c"), ("ann", "c"), ("ann", "a"), ("nobody", "a"), ("ann", "a")]
        assert bulk.holds(asked) == [True, False, True, False, True]
        assert bulk.holds([]) == []
        bulk.forget("ann")
        assert bulk.holds([("ann", "a")]) == [False]

    def test_crops_come_along(self, bulk: BulkStore) -> None:
        """If this fails: crops are lost, or are those of other samples."""
        store = keeping(bulk)
        bulk.enrol_many(
            [
                Addition("ann", directions(3), ["a", "a", "b"], crops=[OTHER, FACE, None]),
                Addition("bob", axis(0)),
                Addition("ann", axis(1), crops=[FACE]),
            ]
        )
        assert store.crops("ann") == [OTHER, None, FACE]
        assert store.crops("bob") == [None]

    def test_ten_thousand_identities(self, bulk: BulkStore) -> None:
        """If this fails: a call is limited to what fits a statement, or its additions are mixed
        up."""
        vectors = directions(20_000)
        additions = [
            Addition(f"id-{n}", vectors[2 * n : 2 * n + 2], [f"{n}a", f"{n}b"], {"n": n})
            for n in range(10_000)
        ]
        assert bulk.enrol_many(additions) == [2] * 10_000
        assert (bulk.count(), bulk.stats().samples) == (10_000, 20_000)
        for n in (0, 4_711, 9_999):
            record = held(bulk, f"id-{n}")
            assert record.metadata == {"n": n}
            expected = unit(vectors[2 * n] + vectors[2 * n + 1])
            np.testing.assert_allclose(record.centroid, expected, atol=1e-5)

    def test_two_ways_at_once_lose_nothing(self, bulk: BulkStore) -> None:
        """If this fails: calls for the same identities wait for each other for ever, lose samples,
        or add a key twice."""
        check_concurrency([bulk] * 4)

    @pytest.mark.usefixtures("needs_persistence")
    def test_two_handles_at_once_lose_nothing(self, bulk: BulkStore, open_store: OpenStore) -> None:
        """If this fails: that holds in one process only."""
        with open_store() as other:
            assert isinstance(other, BulkStore)
            check_concurrency([bulk, other])


def check_concurrency(handles: list[BulkStore]) -> None:
    """Threads enrol the same people, each in an order of its own, half of them one by one; all
    give the same keys, and one of its own."""
    people, rounds = [f"id-{n}" for n in range(12)], 5
    vectors = directions(rounds * len(handles) + rounds, seed=5)
    together = Barrier(len(handles))

    def additions(thread: int, turn: int) -> list[Addition]:
        order = np.random.default_rng([thread, turn]).permutation(people).tolist()
        rows = [turn, rounds + turn * len(handles) + thread]
        keys = [f"shared {turn}", f"{thread} {turn}"]
        return [Addition(name, vectors[rows], keys) for name in order]

    def one_by_one(handle: BulkStore, given: list[Addition]) -> list[int]:
        return [handle.enrol(each.identity, each.embeddings, keys=each.keys) for each in given]

    def work(thread: int) -> int:
        handle = handles[thread]
        ways: list[Callable[[list[Addition]], list[int]]] = [
            handle.enrol_many,
            lambda given: one_by_one(handle, given),
        ]
        together.wait()
        return sum(sum(ways[thread % 2](additions(thread, turn))) for turn in range(rounds))

    with ThreadPoolExecutor(len(handles)) as pool:
        added = sum(pool.map(work, range(len(handles))))
    assert added == len(people) * len(vectors)
    for name in people:
        record = held(handles[0], name)
        assert record.samples == len(vectors)
        np.testing.assert_allclose(record.centroid, unit(vectors.sum(axis=0)), atol=1e-5)
