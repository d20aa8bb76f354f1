"""What every vector store must do, as tests: subclass `StoreSuite` and override `open_store`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from facenet.errors import StoreError
from facenet.stores import Store
from facenet.testing.galleries import DIM, SPACE, OpenStore, axis, directions, held, names
from facenet.testing.store_bulk import BulkTests
from facenet.testing.store_crops import CropTests
from facenet.testing.store_curation import CurationTests
from facenet.testing.store_enrolment import EnrolmentTests
from facenet.testing.store_filters import FilterTests
from facenet.testing.store_history import HistoryTests
from facenet.testing.store_templates import TemplateTests
from facenet.testing.suite import Suite, to_override

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


class StoreSuite(
    EnrolmentTests,
    FilterTests,
    TemplateTests,
    CropTests,
    BulkTests,
    CurationTests,
    HistoryTests,
    Suite,
):
    """Override `open_store`; say `persistent = False` when a closed gallery is gone."""

    persistent = True

    @pytest.fixture
    def open_store(self, request: pytest.FixtureRequest) -> OpenStore:
        """A function that opens the same gallery, empty when the test begins, each time."""
        to_override(request, "a function that opens the gallery, as an OpenStore")

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

    def test_counts(self, store: Store) -> None:
        """If this fails: `count` or `stats` counts samples as identities, or misses some."""
        store.enrol("ann", directions(3))
        store.enrol("bob", directions(2))
        stats = store.stats()
        assert store.count() == stats.identities == 2
        assert stats.samples == 5
        assert (stats.embedding_dim, stats.space) == (DIM, SPACE)
        assert stats.backend

    def test_says_whether_it_persists(self, store: Store) -> None:
        """If this fails: `StoreStats.persistent` is wrong, by which facenet warns who enrols."""
        assert store.stats().persistent == self.persistent

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

    def test_dimension_must_fit(self, store: Store) -> None:
        """If this fails: vectors of another dimension are cut, padded or stored."""
        with pytest.raises(StoreError, match=str(DIM)):
            store.enrol("ann", np.ones((1, DIM + 1), np.float32))
        with pytest.raises(StoreError, match=str(DIM)):
            store.search(np.ones(DIM - 1, np.float32))
        assert store.count() == 0

    def test_hostile_names_stay_as_they_are(self, store: Store) -> None:
        """If this fails: names reach a query as text, or are trimmed, folded or normalised."""
        for name in HOSTILE_NAMES:
            store.enrol(name, axis(0))
        assert names(store, axis(0), top_k=99) == sorted(HOSTILE_NAMES)
        for name in HOSTILE_NAMES:
            assert store.forget(name).samples == 1
        assert store.count() == 0

    def test_answers_are_copies(self, store: Store) -> None:
        """If this fails: a caller that changes an answer changes the gallery."""
        vectors, metadata = directions(1), {"tags": ["x"]}
        store.enrol("ann", vectors, metadata=metadata)
        record = held(store, "ann")
        metadata["tags"].append("y")
        record.metadata["tags"].append("z")
        record.centroid[:] = 0
        store.search(axis(0))[0][0].metadata["tags"].append("z")
        vectors[:] = 0
        assert [match.metadata for match in store.search(axis(0))[0]] == [{"tags": ["x"]}]
        np.testing.assert_allclose(held(store, "ann").centroid, directions(1)[0], atol=1e-6)

    def test_identities_are_in_order_of_name(self, store: Store) -> None:
        """If this fails: records come in order of insertion, or of a language's alphabet."""
        for name in ["b", "é", "a", "B"]:
            store.enrol(name, axis(0), metadata={"name": name})
        records = list(store.identities())
        assert [record.identity for record in records] == ["B", "a", "b", "é"]
        assert [record.metadata["name"] for record in records] == ["B", "a", "b", "é"]

    def test_pages_of_identities(self, store: Store) -> None:
        """If this fails: a list that is shown page by page misses people, or shows them twice."""
        listed = [f"{number:02}é" for number in range(7)]
        for name in listed:
            store.enrol(name, axis(0))
        pages, after = [], None
        while page := [each.identity for each in store.identities(after=after, limit=3)]:
            pages.append(page)
            after = page[-1]
        assert pages == [listed[:3], listed[3:6], listed[6:]]
        assert [each.identity for each in store.identities(after="03")] == listed[3:]
        assert [each.identity for each in store.identities(limit=1)] == listed[:1]

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
        record = held(store, "ann")
        assert record.metadata == {}
        np.testing.assert_array_equal(record.centroid, axis(1))

    def test_forgetting_the_unknown(self, store: Store) -> None:
        """If this fails: forgetting an identity that is not enrolled raises or invents samples."""
        assert store.forget("nobody").samples == 0

    @pytest.mark.usefixtures("needs_persistence")
    def test_reopening_keeps_everything(self, open_store: OpenStore) -> None:
        """If this fails: something lives only in the object and not in the gallery."""
        with open_store() as store:
            store.enrol("ann", directions(3), keys=["a", "b", "c"], metadata={"team": "red"})
            before = held(store, "ann")
        with open_store() as store:
            after = held(store, "ann")
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
        with pytest.raises(StoreError, match="closed"):
            store.samples("ann")
