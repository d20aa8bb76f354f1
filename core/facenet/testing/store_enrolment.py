"""The part of `StoreSuite` that is about what goes into a gallery."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import numpy as np
import pytest

from facenet.errors import StoreError
from facenet.stores import Store
from facenet.testing.galleries import DIM, axis, directions, held, names, unit

if TYPE_CHECKING:
    from facenet.types import Vector


class EnrolmentTests:
    """Needs the fixture `store`, an empty gallery."""

    def test_enrol_returns_how_many_were_added(self, store: Store) -> None:
        """If this fails: `enrol` does not count the samples it has added."""
        assert store.enrol("ann", directions(3)) == 3
        assert store.enrol("ann", directions(2, seed=1)) == 2

    def test_one_vector_is_one_sample(self, store: Store) -> None:
        """If this fails: `enrol` or `search` does not accept a (D,) vector."""
        assert store.enrol("ann", axis(0)) == 1
        assert names(store, axis(0)) == ["ann"]

    def test_no_samples_make_no_identity(self, store: Store) -> None:
        """If this fails: enrolling (0, D) embeddings leaves an identity without a centroid."""
        assert store.enrol("ann", directions(0)) == 0
        assert store.get("ann") is None
        assert store.search(directions(0)) == []

    def test_keys_make_enrolment_idempotent(self, store: Store) -> None:
        """If this fails: a sample is added again although its key is held."""
        store.enrol("ann", directions(2), keys=["a", "b"])
        before = held(store, "ann")
        assert store.enrol("ann", directions(2), keys=["a", "b"]) == 0
        after = held(store, "ann")
        assert after.samples == 2
        np.testing.assert_array_equal(after.centroid, before.centroid)

    def test_only_new_keys_are_added(self, store: Store) -> None:
        """If this fails: rows skipped because of their key still count in the centroid."""
        store.enrol("ann", axis(0), keys=["a"])
        assert store.enrol("ann", np.stack([axis(1), axis(2)]), keys=["a", "b"]) == 1
        record = held(store, "ann")
        np.testing.assert_allclose(record.centroid, unit(axis(0) + axis(2)), atol=1e-6)

    def test_key_repeated_in_one_call_counts_once(self, store: Store) -> None:
        """If this fails: a key given twice in one call is added twice."""
        assert store.enrol("ann", np.stack([axis(0), axis(1)]), keys=["a", "a"]) == 1
        assert names(store, axis(0), min_similarity=0.99) == ["ann"]

    def test_key_belongs_to_its_identity(self, store: Store) -> None:
        """If this fails: a key that one identity holds stops another from using it."""
        store.enrol("ann", axis(0), keys=["a"])
        assert store.enrol("bob", axis(1), keys=["a"]) == 1

    def test_long_keys(self, store: Store) -> None:
        """If this fails: keys are indexed by their text, which is too long for the index."""
        random = np.random.default_rng(0)
        key = "".join(map(chr, random.integers(0x4E00, 0x9FFF, 10_000)))
        assert store.enrol("ann", axis(0), keys=[key]) == 1
        assert store.enrol("ann", axis(0), keys=[key]) == 0

    def test_number_of_keys_must_fit(self, store: Store) -> None:
        """If this fails: keys are paired with the wrong samples."""
        with pytest.raises(StoreError, match="1 keys"):
            store.enrol("ann", directions(2), keys=["a"])
        assert store.count() == 0

    def test_centroid_is_the_mean_direction(self, store: Store) -> None:
        """If this fails: samples are not normalised on entry, or a later call replaces the sum."""
        samples = directions(5)
        scales = np.array([[0.1], [1], [3], [10], [100]], np.float32)
        store.enrol("ann", (samples * scales)[:2])
        store.enrol("ann", (samples * scales)[2:])
        record = held(store, "ann")
        assert record.samples == 5
        assert record.centroid.dtype == np.float32
        np.testing.assert_allclose(record.centroid, unit(samples.sum(axis=0)), atol=1e-6)

    def test_samples_that_cancel_out_are_refused(self, store: Store) -> None:
        """If this fails: a centroid without direction is stored, and its similarity is NaN."""
        store.enrol("ann", axis(0))
        with pytest.raises(StoreError, match="cancel"):
            store.enrol("ann", -axis(0), metadata={"lost": True})
        record = held(store, "ann")
        assert (record.samples, record.metadata) == (1, {})

    @pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
    def test_bad_numbers_write_nothing(self, store: Store, bad: float) -> None:
        """If this fails: one bad vector of a batch is stored, or the good ones before it are."""
        vectors = directions(2)
        vectors[1] = bad
        with pytest.raises(StoreError):
            store.enrol("ann", vectors)
        with pytest.raises(StoreError):
            store.search(vectors)
        assert store.count() == 0

    @pytest.mark.parametrize("name", ["", " ", "nul\0", "\ud800"])
    def test_impossible_names_are_refused(self, store: Store, name: str) -> None:
        """If this fails: a name that not every store can keep is accepted, or crashes."""
        with pytest.raises(StoreError):
            store.enrol(name, axis(0))
        assert store.get(name) is None
        assert store.forget(name).samples == 0

    def test_names_of_10000_characters(self, store: Store) -> None:
        """If this fails: names are indexed by their text, or cut to a column's length."""
        random = np.random.default_rng(0)
        name = "".join(map(chr, random.integers(0x4E00, 0x9FFF, 10_000)))
        store.enrol(name, axis(0))
        store.enrol(name + "x", axis(0))
        assert names(store, axis(0)) == sorted([name, name + "x"])

    def test_metadata_is_merged(self, store: Store) -> None:
        """If this fails: metadata is replaced, merged too deep, or lost when nothing is added."""
        store.enrol("ann", axis(0), keys=["a"], metadata={"team": "red", "tags": {"x": 1}})
        store.enrol("ann", axis(0), keys=["a"], metadata={"tags": {"y": [None, 2.5, "é"]}})
        record = held(store, "ann")
        assert record.metadata == {"team": "red", "tags": {"y": [None, 2.5, "é"]}}

    @pytest.mark.parametrize("value", [object(), float("nan"), "nul\0", "\ud800"])
    def test_metadata_must_be_json(self, store: Store, value: object) -> None:
        """If this fails: metadata that cannot come back the same is accepted, or crashes."""
        with pytest.raises(StoreError):
            store.enrol("ann", axis(0), metadata={"value": value})
        assert store.count() == 0

    def test_concurrent_enrolments_lose_nothing(self, store: Store) -> None:
        """If this fails: the centroid is read, changed and written without a lock."""
        threads, rounds = 8, 15
        samples = directions(threads * rounds).reshape(threads, rounds, DIM)
        together = Barrier(threads)

        def enrol_all(mine: Vector) -> None:
            together.wait()
            for vector in mine:
                store.enrol("ann", vector)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(enrol_all, samples))
        record = held(store, "ann")
        assert record.samples == store.stats().samples == threads * rounds
        mean = unit(samples.reshape(-1, DIM).sum(axis=0))
        np.testing.assert_allclose(record.centroid, mean, atol=1e-5)
