"""The part of `StoreSuite` that is about putting a gallery right."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from facenet.curated_stores import CuratedStore
from facenet.errors import StoreError
from facenet.stores import Store
from facenet.testing.galleries import (
    OpenStore,
    axis,
    directions,
    everything,
    heaviest,
    held,
    names,
    unit,
)


class CurationTests:
    """Needs the fixtures `store`, an empty gallery, `open_store` and `needs_persistence`; skipped
    where the store is no `CuratedStore`."""

    @pytest.fixture
    def curated_store(self, store: Store) -> CuratedStore:
        return curated(store)

    def test_holdings_are_all_that_was_given(self, curated_store: CuratedStore) -> None:
        """If this fails: a sample is not handed out whole, or out of order."""
        vectors, before = directions(2), datetime.now(UTC) - timedelta(minutes=1)
        curated_store.enrol("ann", vectors, keys=["a", "b"], weights=[1, 0.5])
        curated_store.enrol("ann", axis(1))
        found = curated_store.holdings("ann")
        np.testing.assert_allclose(
            [sample.embedding for sample in found], [*vectors, axis(1)], atol=1e-6
        )
        assert [sample.weight for sample in found] == [1, 0.5, 1]
        assert [sample.key for sample in found] == ["a", "b", None]
        assert all(before < sample.at < before + timedelta(minutes=5) for sample in found)
        assert [sample.crop for sample in found] == [None] * 3
        assert len({sample.number for sample in found}) == 3
        assert curated_store.holdings("nobody") == []

    def test_another_name(self, curated_store: CuratedStore) -> None:
        """If this fails: a search, a key or a record still goes by the former name."""
        curated_store.enrol("ann", directions(3), keys=list("abc"), metadata={"team": "red"})
        assert names(curated_store, axis(0)) == ["ann"]
        before = curated_store.holdings("ann")
        curated_store.rename("ann", "Änne 🙂")
        assert curated_store.get("ann") is None
        assert curated_store.holdings("ann") == []
        assert held(curated_store, "Änne 🙂").metadata == {"team": "red"}
        assert [one.number for one in curated_store.holdings("Änne 🙂")] == [
            one.number for one in before
        ]
        assert names(curated_store, axis(0)) == ["Änne 🙂"]
        assert curated_store.enrol("Änne 🙂", directions(1), keys=["a"]) == 0
        assert curated_store.enrol("ann", axis(3)) == 1

    def test_a_name_that_is_taken_or_nobodys(self, curated_store: CuratedStore) -> None:
        """If this fails: two identities become one by a name, or a name is made up."""
        curated_store.enrol("ann", axis(0))
        curated_store.enrol("bob", axis(1))
        before = everything(curated_store)
        with pytest.raises(StoreError, match="'bob' is another identity already"):
            curated_store.rename("ann", "bob")
        with pytest.raises(StoreError, match="'eve' is not enrolled"):
            curated_store.rename("eve", "eva")
        with pytest.raises(StoreError, match="visible text"):
            curated_store.rename("ann", "  ")
        curated_store.rename("ann", "ann")
        assert everything(curated_store) == before

    def test_all_samples_go_to_another(self, curated_store: CuratedStore) -> None:
        """If this fails: two identities do not become one as if they always were."""
        ann, bob = directions(3), directions(2, seed=1)
        curated_store.enrol("ann", ann, keys=list("abc"), metadata={"team": "red", "room": 1})
        curated_store.enrol("bob", bob, weights=[0.5, 0.25], metadata={"team": "blue"})
        assert names(curated_store, ann[0]) != []
        assert curated_store.transfer("ann", "bob") == 3
        assert curated_store.count() == 1
        record, samples = held(curated_store, "bob"), curated_store.samples("bob")
        assert (record.samples, record.metadata) == (5, {"team": "blue", "room": 1})
        np.testing.assert_allclose(samples.embeddings, [*ann, *bob], atol=1e-6)
        expected = ann.sum(axis=0) + 0.5 * bob[0] + 0.25 * bob[1]
        np.testing.assert_allclose(record.centroid, unit(expected), atol=1e-6)
        assert names(curated_store, record.centroid) == ["bob"]
        assert curated_store.enrol("bob", axis(0), keys=["a"]) == 0

    def test_some_samples_go_to_someone_new(self, curated_store: CuratedStore) -> None:
        """If this fails: others move than were named, or a template is still the former."""
        vectors = directions(4)
        curated_store.enrol("ann", vectors, metadata={"team": "red"})
        numbers = [sample.number for sample in curated_store.holdings("ann")]
        assert curated_store.transfer("ann", "bob", samples=[numbers[2], numbers[0]]) == 2
        for identity, rows in (("ann", [1, 3]), ("bob", [0, 2])):
            record = held(curated_store, identity)
            expected = unit(vectors[rows].sum(axis=0))
            np.testing.assert_allclose(record.centroid, expected, atol=1e-6)
            assert names(curated_store, expected, top_k=1) == [identity]
        assert held(curated_store, "bob").metadata == {}
        assert curated_store.enrol("ann", directions(2, seed=1)) == 2
        total = [*vectors[[1, 3]], *directions(2, seed=1)]
        np.testing.assert_allclose(
            held(curated_store, "ann").centroid, unit(np.sum(total, axis=0)), atol=1e-6
        )

    def test_who_keeps_no_sample_is_gone(self, curated_store: CuratedStore) -> None:
        """If this fails: an identity without samples stays."""
        curated_store.enrol("ann", axis(0), metadata={"team": "red"})
        curated_store.enrol("bob", axis(1))
        [sample] = curated_store.holdings("ann")
        assert curated_store.transfer("ann", "bob", samples=[sample.number]) == 1
        assert curated_store.get("ann") is None
        assert held(curated_store, "bob").metadata == {}

    def test_of_one_key_one_sample_stays(self, curated_store: CuratedStore) -> None:
        """If this fails: a photo that both hold counts twice, or the move fails for it."""
        curated_store.enrol("ann", directions(2), keys=["a", "b"])
        curated_store.enrol("bob", axis(3), keys=["b"])
        assert curated_store.transfer("ann", "bob") == 1
        assert [one.key for one in curated_store.holdings("bob")] == ["a", "b"]
        np.testing.assert_allclose(curated_store.samples("bob").embeddings[1], axis(3), atol=1e-6)
        assert curated_store.count() == 1

    def test_both_templates_are_made_as_is_asked(self, curated_store: CuratedStore) -> None:
        """If this fails: after a move a template is the store's own, whatever is configured."""
        curated_store.enrol("ann", directions(3), weights=[0.1, 0.3, 0.2])
        numbers = [sample.number for sample in curated_store.holdings("ann")]
        curated_store.transfer("ann", "bob", samples=numbers[:1], template=heaviest)
        np.testing.assert_allclose(held(curated_store, "ann").centroid, directions(3)[1], atol=1e-6)

    @pytest.mark.parametrize(
        ("identity", "to", "samples", "reason"),
        [
            ("ann", "ann", None, "'ann' is one identity"),
            ("eve", "ann", None, "'eve' is not enrolled"),
            ("ann", " ", None, "visible text"),
            ("ann", "bob", [10**9], "'ann' has no sample of number 1000000000"),
            ("ann", "bob", [], "no sample of 'ann' is named"),
        ],
    )
    def test_what_cannot_be_moved_changes_nothing(
        self, curated_store: CuratedStore, identity: str, to: str, samples: Any, reason: str
    ) -> None:
        """If this fails: a mistake moves something, or leaves an identity without samples."""
        curated_store.enrol("ann", directions(2))
        before = everything(curated_store)
        with pytest.raises(StoreError, match=reason):
            curated_store.transfer(identity, to, samples=samples)
        assert everything(curated_store) == before

    def test_a_template_without_direction_undoes_the_move(
        self, curated_store: CuratedStore
    ) -> None:
        """If this fails: samples have moved, although no template could be made of them."""
        curated_store.enrol("ann", axis(0))
        curated_store.enrol("bob", -axis(0))
        before = everything(curated_store)
        with pytest.raises(StoreError, match="no direction"):
            curated_store.transfer("ann", "bob")
        assert everything(curated_store) == before

    def test_single_samples_are_erased(self, curated_store: CuratedStore) -> None:
        """If this fails: a sample that was erased is still held, or counts in the template."""
        vectors = directions(3)
        curated_store.enrol("ann", vectors, keys=list("abc"))
        first, _, last = (sample.number for sample in curated_store.holdings("ann"))
        with pytest.raises(StoreError, match="no sample of number 1000000000"):
            curated_store.erase("ann", [first, 10**9])
        assert curated_store.erase("ann", [first, last]) == 2
        assert [sample.key for sample in curated_store.holdings("ann")] == ["b"]
        np.testing.assert_allclose(held(curated_store, "ann").centroid, vectors[1], atol=1e-6)
        assert curated_store.enrol("ann", axis(0), keys=["a"]) == 1
        numbers = [sample.number for sample in curated_store.holdings("ann")]
        assert not {first, last} & set(numbers)
        assert curated_store.erase("ann", numbers) == 2
        assert curated_store.count() == 0
        with pytest.raises(StoreError, match="'ann' is not enrolled"):
            curated_store.erase("ann", [first])

    def test_what_is_old_can_be_found(self, curated_store: CuratedStore) -> None:
        """If this fails: a retention period cannot be kept."""
        start = datetime.now(UTC) - timedelta(minutes=1)
        curated_store.enrol("bob", directions(2))
        curated_store.enrol("ann", axis(0))
        expected = [
            (name, [sample.number for sample in curated_store.holdings(name)])
            for name in ("ann", "bob")
        ]
        assert list(curated_store.older(start + timedelta(days=1))) == expected
        assert list(curated_store.older(start)) == []

    def test_nothing_is_lost_between_opposite_moves(self, curated_store: CuratedStore) -> None:
        """If this fails: concurrent moves and enrolments lose samples, or block each other."""
        people = ["ann", "bob"]
        for person in people:
            curated_store.enrol(person, axis(0) + directions(8))

        def work(number: int) -> int:
            person, other = people[number % 2], people[1 - number % 2]
            for sample in curated_store.holdings(person)[:2]:
                try:
                    curated_store.transfer(person, other, samples=[sample.number])
                except StoreError as error:  # Another thread was faster.
                    if not re.search("has no sample|is not enrolled", str(error)):
                        raise
            return curated_store.enrol(person, axis(0) + directions(1, seed=number))

        with ThreadPoolExecutor(4) as threads:
            added = sum(threads.map(work, range(12)))
        assert curated_store.stats().samples == 16 + added
        for person in people:
            if record := curated_store.get(person):
                total = curated_store.samples(person).embeddings.astype(np.float64).sum(axis=0)
                np.testing.assert_allclose(record.centroid, unit(total), atol=1e-6)

    def test_moves_outlive_the_store(self, open_store: OpenStore, needs_persistence: None) -> None:
        """If this fails: what was put right is wrong again after the gallery is opened anew."""
        with open_store() as store:
            curated(store).enrol("ann", directions(2))
            curated(store).enrol("bob", axis(1))
            curated(store).transfer("ann", "bob")
            curated(store).rename("bob", "eve")
            before = everything(store)
        with open_store() as store:
            assert everything(store) == before
            assert names(store, axis(1)) == ["eve"]


def curated(store: Store) -> CuratedStore:
    if not isinstance(store, CuratedStore):
        pytest.skip("this store moves and renames nothing")
    return store
