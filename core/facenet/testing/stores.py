"""What every vector store must do, as tests: subclass `StoreSuite` and override `open_store`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pytest

from facenet.errors import StoreError
from facenet.types import Store
from facenet.vectors import l2_normalize

if TYPE_CHECKING:
    from facenet.types import Vector

DIM = 4
SPACE = "space-a"
HOSTILE_NAMES = [
    "Robert'); DROP TABLE faces; --",
    "double \"quotes\" and 'single'",
    "percent %s %(name)s {curly} $1 \\ backslash",
    "Zoë Nuñez 陳大文 محمد 🙂",
    "e\u0301 is not \u00e9",
    "line\nbreak\ttab",
    " spaces around ",
    "../../etc/passwd",
]


class OpenStore(Protocol):
    """Opens the same gallery each time it is called, as a new `Store`."""

    def __call__(self, embedding_dim: int = DIM, space: str = SPACE) -> Store: ...


def axis(index: int) -> Vector:
    """The unit vector along one axis."""
    vector: Vector = np.eye(DIM, dtype=np.float32)[index]
    return vector


def directions(count: int, seed: int = 0) -> Vector:
    """Random unit vectors, (count, DIM)."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIM))
    return l2_normalize(vectors.astype(np.float32))


def names(store: Store, probe: Vector, **limits: Any) -> list[str]:
    """The identities that a search for one probe finds, in its order."""
    return [match.identity for match in store.search(probe, **limits)[0]]


class StoreSuite:
    """Override `open_store`; say `persistent = False` when a closed gallery is gone."""

    persistent = True

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """A function that opens the same gallery, empty when the test begins, each time."""
        raise NotImplementedError("override the fixture open_store")

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Iterator[Store]:
        with open_store() as store:
            yield store

    @pytest.fixture
    def needs_persistence(self) -> None:
        if not self.persistent:
            pytest.skip("this store keeps nothing after it is closed")

    def test_is_a_store(self, store: Store) -> None:
        """If this fails: a method of the `Store` protocol is missing."""
        assert isinstance(store, Store)

    def test_new_gallery_is_empty(self, store: Store) -> None:
        """If this fails: an empty gallery raises, or is not empty."""
        assert store.count() == 0
        assert list(store.identities()) == []
        assert store.search(axis(0)) == [[]]
        assert store.get("ann") is None

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

    def test_counts(self, store: Store) -> None:
        """If this fails: `count` or `stats` counts samples as identities, or misses some."""
        store.enrol("ann", directions(3))
        store.enrol("bob", directions(2))
        stats = store.stats()
        assert store.count() == stats.identities == 2
        assert stats.samples == 5
        assert (stats.embedding_dim, stats.space) == (DIM, SPACE)
        assert stats.backend

    def test_keys_make_enrolment_idempotent(self, store: Store) -> None:
        """If this fails: a sample is added again although its key is held."""
        store.enrol("ann", directions(2), keys=["a", "b"])
        before = store.get("ann")
        assert store.enrol("ann", directions(2), keys=["a", "b"]) == 0
        after = store.get("ann")
        assert before is not None
        assert after is not None
        assert after.samples == 2
        np.testing.assert_array_equal(after.centroid, before.centroid)

    def test_only_new_keys_are_added(self, store: Store) -> None:
        """If this fails: rows skipped because of their key still count in the centroid."""
        store.enrol("ann", axis(0), keys=["a"])
        assert store.enrol("ann", np.stack([axis(1), axis(2)]), keys=["a", "b"]) == 1
        record = store.get("ann")
        assert record is not None
        np.testing.assert_allclose(record.centroid, l2_normalize(axis(0) + axis(2)), atol=1e-6)

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
        record = store.get("ann")
        assert record is not None
        assert record.samples == 5
        assert record.centroid.dtype == np.float32
        np.testing.assert_allclose(record.centroid, l2_normalize(samples.sum(axis=0)), atol=1e-6)

    def test_samples_that_cancel_out_are_refused(self, store: Store) -> None:
        """If this fails: a centroid without direction is stored, and its similarity is NaN."""
        store.enrol("ann", axis(0))
        with pytest.raises(StoreError, match="cancel"):
            store.enrol("ann", -axis(0), metadata={"lost": True})
        record = store.get("ann")
        assert record is not None
        assert (record.samples, record.metadata) == (1, {})

    def test_top_k_is_exact(self, store: Store) -> None:
        """If this fails: the search is approximate, or does not compare by cosine similarity."""
        gallery, probes = directions(60), directions(7, seed=1)
        for number, vector in enumerate(gallery):
            store.enrol(f"id-{number:02}", vector)
        expected = probes.astype(np.float64) @ gallery.T.astype(np.float64)
        for similarity, matches in zip(expected, store.search(probes * 9, top_k=5), strict=True):
            order = np.argsort(-similarity)[:5]
            assert [match.identity for match in matches] == [f"id-{row:02}" for row in order]
            found = [match.similarity for match in matches]
            np.testing.assert_allclose(found, similarity[order], atol=1e-5)

    def test_ties_are_in_order_of_name(self, store: Store) -> None:
        """If this fails: ties come in order of insertion, or of a language's alphabet."""
        for name in ["b", "é", "a", "B", "_", "Z"]:
            store.enrol(name, directions(1))
        assert names(store, directions(1), top_k=9) == sorted("béaB_Z")
        assert names(store, directions(1), top_k=2) == sorted("béaB_Z")[:2]

    def test_min_similarity(self, store: Store) -> None:
        """If this fails: weaker matches are not left out, or just as similar ones are."""
        store.enrol("same", axis(0))
        store.enrol("slanted", axis(0) + axis(1))
        store.enrol("opposite", -axis(0))
        assert names(store, axis(0)) == ["same", "slanted", "opposite"]
        assert names(store, axis(0), min_similarity=0.5) == ["same", "slanted"]
        assert names(store, axis(0), min_similarity=1.0) == ["same"]

    def test_top_k_larger_than_the_gallery(self, store: Store) -> None:
        """If this fails: a gallery smaller than `top_k` raises or pads its answer."""
        store.enrol("ann", axis(0))
        assert names(store, axis(0), top_k=1000) == ["ann"]

    def test_match_carries_samples_and_metadata(self, store: Store) -> None:
        """If this fails: a match does not say what the record of its identity says."""
        store.enrol("ann", directions(3), metadata={"team": "red"})
        [[match]] = store.search(axis(0))
        assert (match.samples, match.metadata) == (3, {"team": "red"})

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

    def test_dimension_must_fit(self, store: Store) -> None:
        """If this fails: vectors of another dimension are cut, padded or stored."""
        with pytest.raises(StoreError, match=str(DIM)):
            store.enrol("ann", np.ones((1, DIM + 1), np.float32))
        with pytest.raises(StoreError, match=str(DIM)):
            store.search(np.ones(DIM - 1, np.float32))
        assert store.count() == 0

    @pytest.mark.parametrize("name", ["", " ", "nul\0", "\ud800"])
    def test_impossible_names_are_refused(self, store: Store, name: str) -> None:
        """If this fails: a name that not every store can keep is accepted, or crashes."""
        with pytest.raises(StoreError):
            store.enrol(name, axis(0))
        assert store.get(name) is None
        assert store.forget(name).samples == 0

    def test_hostile_names_stay_as_they_are(self, store: Store) -> None:
        """If this fails: names reach a query as text, or are trimmed, folded or normalised."""
        for name in HOSTILE_NAMES:
            store.enrol(name, axis(0))
        assert names(store, axis(0), top_k=99) == sorted(HOSTILE_NAMES)
        for name in HOSTILE_NAMES:
            assert store.forget(name).samples == 1
        assert store.count() == 0

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
        record = store.get("ann")
        assert record is not None
        assert record.metadata == {"team": "red", "tags": {"y": [None, 2.5, "é"]}}

    @pytest.mark.parametrize("value", [object(), float("nan"), "nul\0", "\ud800"])
    def test_metadata_must_be_json(self, store: Store, value: object) -> None:
        """If this fails: metadata that cannot come back the same is accepted, or crashes."""
        with pytest.raises(StoreError):
            store.enrol("ann", axis(0), metadata={"value": value})
        assert store.count() == 0

    def test_answers_are_copies(self, store: Store) -> None:
        """If this fails: a caller that changes an answer changes the gallery."""
        vectors, metadata = directions(1), {"tags": ["x"]}
        store.enrol("ann", vectors, metadata=metadata)
        record = store.get("ann")
        assert record is not None
        metadata["tags"].append("y")
        record.metadata["tags"].append("z")
        store.search(axis(0))[0][0].metadata["tags"].append("z")
        vectors[:] = 0
        assert [match.metadata for match in store.search(axis(0))[0]] == [{"tags": ["x"]}]

    def test_identities_are_in_order_of_name(self, store: Store) -> None:
        """If this fails: records come in order of insertion, or of a language's alphabet."""
        for name in ["b", "é", "a", "B"]:
            store.enrol(name, axis(0), metadata={"name": name})
        records = list(store.identities())
        assert [record.identity for record in records] == ["B", "a", "b", "é"]
        assert [record.metadata["name"] for record in records] == ["B", "a", "b", "é"]

    def test_forget_erases_and_says_so(self, store: Store) -> None:
        """If this fails: a forgotten identity is still found, or others are lost with it."""
        store.enrol("ann", directions(3), keys=["a", "b", "c"])
        store.enrol("bob", axis(1))
        receipt = store.forget("ann")
        assert (receipt.identity, receipt.samples) == ("ann", 3)
        assert abs((datetime.now(UTC) - receipt.at).total_seconds()) < 3600
        assert store.get("ann") is None
        assert names(store, directions(1)) == ["bob"]
        assert store.stats().samples == 1

    def test_forgotten_keys_are_free_again(self, store: Store) -> None:
        """If this fails: something of a forgotten identity stays and meets its next enrolment."""
        store.enrol("ann", axis(0), keys=["a"], metadata={"team": "red"})
        store.forget("ann")
        assert store.enrol("ann", axis(1), keys=["a"]) == 1
        record = store.get("ann")
        assert record is not None
        assert record.metadata == {}
        np.testing.assert_array_equal(record.centroid, axis(1))

    def test_forgetting_the_unknown(self, store: Store) -> None:
        """If this fails: forgetting an identity that is not enrolled raises or invents samples."""
        assert store.forget("nobody").samples == 0

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
        record = store.get("ann")
        assert record is not None
        assert record.samples == store.stats().samples == threads * rounds
        mean = l2_normalize(samples.reshape(-1, DIM).sum(axis=0))
        np.testing.assert_allclose(record.centroid, mean, atol=1e-5)

    @pytest.mark.usefixtures("needs_persistence")
    def test_reopening_keeps_everything(self, open_store: OpenStore) -> None:
        """If this fails: something lives only in the object and not in the gallery."""
        with open_store() as store:
            store.enrol("ann", directions(3), keys=["a", "b", "c"], metadata={"team": "red"})
            before = store.get("ann")
        with open_store() as store:
            after = store.get("ann")
            assert before is not None
            assert after is not None
            assert (after.samples, after.metadata) == (3, {"team": "red"})
            np.testing.assert_array_equal(after.centroid, before.centroid)
            assert store.enrol("ann", directions(3), keys=["a", "b", "c"]) == 0

    @pytest.mark.usefixtures("needs_persistence")
    def test_two_handles_see_one_gallery(self, open_store: OpenStore) -> None:
        """If this fails: a store answers from a copy that another handle has made stale."""
        with open_store() as first, open_store() as second:
            first.enrol("ann", axis(0))
            assert names(second, axis(0)) == ["ann"]
            second.forget("ann")
            assert names(first, axis(0)) == []

    @pytest.mark.usefixtures("needs_persistence")
    @pytest.mark.parametrize(
        "other, named", [({"space": "space-b"}, SPACE), ({"embedding_dim": DIM + 1}, str(DIM))]
    )
    def test_gallery_is_bound(
        self, open_store: OpenStore, other: dict[str, Any], named: str
    ) -> None:
        """If this fails: embeddings of two models meet in one gallery."""
        open_store().close()
        with pytest.raises(StoreError) as caught:
            open_store(**other)
        assert named in str(caught.value)
        assert str(next(iter(other.values()))) in str(caught.value)

    def test_closed_store_refuses(self, open_store: OpenStore) -> None:
        """If this fails: a closed store answers, hangs, or fails with an error of its engine."""
        store = open_store()
        store.close()
        store.close()
        for call in (store.count, store.stats, lambda: list(store.identities())):
            with pytest.raises(StoreError, match="closed"):
                call()
        with pytest.raises(StoreError, match="closed"):
            store.enrol("ann", axis(0))
        with pytest.raises(StoreError, match="closed"):
            store.search(axis(0))
