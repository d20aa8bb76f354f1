"""The part of `StoreSuite` that is about weights, samples and templates."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from facenet.errors import StoreError
from facenet.stores import Samples, Store
from facenet.testing.galleries import (
    DIM,
    OpenStore,
    axis,
    directions,
    everything,
    heaviest,
    held,
    names,
    unit,
)

if TYPE_CHECKING:
    from facenet.types import Vector

WITHOUT_DIRECTION = {
    "zero": np.zeros(DIM),
    "NaN": np.full(DIM, np.nan),
    "infinity": np.full(DIM, np.inf),
    "a number too few": np.ones(DIM - 1),
    "a row": np.ones((1, DIM)),
}


class Counting:
    """The template `heaviest`, which counts the samples that it is given each time."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, samples: Samples) -> Vector:
        self.seen.append(len(samples.weights))
        return heaviest(samples)


class TemplateTests:
    """Needs the fixtures `store`, an empty gallery, `open_store` and `needs_persistence`."""

    def test_weights_move_the_mean(self, store: Store) -> None:
        """If this fails: the centroid is the mean of the samples as if all weighed the same."""
        store.enrol("ann", np.stack([axis(0), axis(1)]), weights=[1, 0.25])
        store.enrol("ann", axis(2), weights=[0.5])
        expected = unit(axis(0) + 0.25 * axis(1) + 0.5 * axis(2))
        np.testing.assert_allclose(held(store, "ann").centroid, expected, atol=1e-6)

    @pytest.mark.parametrize("weights", [[], [1.0], [1.0, 1.0, 1.0], [[1.0], [1.0]]])
    def test_number_of_weights_must_fit(self, store: Store, weights: Any) -> None:
        """If this fails: weights are paired with the wrong samples."""
        with pytest.raises(StoreError, match="do not fit 2 embeddings"):
            store.enrol("ann", directions(2), weights=weights)
        assert store.count() == 0

    @pytest.mark.parametrize("bad", [0.0, -0.5, 1.01, 1e-60, 1e60, np.nan, np.inf])
    def test_weights_out_of_range_write_nothing(self, store: Store, bad: float) -> None:
        """If this fails: a weight is kept that is not in (0, 1], or the samples before it are."""
        with pytest.raises(StoreError) as caught:
            store.enrol("ann", directions(2), weights=[0.5, bad])
        assert f"weight {bad}:" in str(caught.value)
        assert store.count() == 0

    def test_samples_come_back_in_order_of_enrolment(self, store: Store) -> None:
        """If this fails: samples are lost, reordered or not of unit length, or have weights of
        other samples."""
        vectors = directions(5)
        store.enrol("ann", vectors[:3] * 9, keys=["c", "a", "b"], weights=[0.3, 1, 0.2])
        store.enrol("bob", axis(0))
        store.enrol("ann", vectors[3:], keys=["e", "d"])
        samples = store.samples("ann")
        assert samples.embeddings.dtype == samples.weights.dtype == np.float32
        np.testing.assert_allclose(samples.embeddings, vectors, atol=1e-6)
        np.testing.assert_allclose(samples.weights, [0.3, 1, 0.2, 1, 1])

    def test_only_new_keys_bring_their_weights(self, store: Store) -> None:
        """If this fails: of a repeated key the last counts, or a skipped row's weight is used."""
        store.enrol("ann", axis(0), keys=["a"], weights=[0.5])
        vectors = np.stack([axis(1), axis(2), axis(3)])
        assert store.enrol("ann", vectors, keys=["a", "b", "b"], weights=[0.1, 0.2, 0.3]) == 1
        samples = store.samples("ann")
        np.testing.assert_array_equal(samples.embeddings, [axis(0), axis(2)])
        np.testing.assert_allclose(samples.weights, [0.5, 0.2])

    def test_samples_are_copies(self, store: Store) -> None:
        """If this fails: a caller, or a template, that changes its samples changes the gallery."""

        def greedy(samples: Samples) -> Vector:
            made = heaviest(samples).copy()
            samples.embeddings[:] = samples.weights[:] = 0
            return made

        store.enrol("ann", directions(2), template=greedy)
        before = everything(store)
        for part in store.samples("ann"):
            part[:] = 0
        assert everything(store) == before
        np.testing.assert_array_equal(store.samples("ann").weights, [1, 1])

    def test_samples_of_the_unknown(self, store: Store) -> None:
        """If this fails: an identity that is not enrolled raises, or has samples."""
        embeddings, weights = store.samples("nobody")
        assert (embeddings.shape, weights.shape) == ((0, DIM), (0,))

    def test_forgotten_samples_are_gone(self, store: Store) -> None:
        """If this fails: samples of a forgotten identity stay and count in its next template."""
        counting = Counting()
        store.enrol("ann", directions(3), template=counting)
        store.forget("ann")
        assert len(store.samples("ann").weights) == 0
        store.enrol("ann", axis(1), template=counting)
        assert counting.seen == [3, 1]

    def test_template_sees_all_samples(self, store: Store) -> None:
        """If this fails: a template is made of the new samples only, or of other identities'."""
        given: list[Samples] = []

        def remembering(samples: Samples) -> Vector:
            given.append(samples)
            return heaviest(samples)

        vectors = directions(3)
        store.enrol("bob", axis(0))
        store.enrol("ann", vectors[:2], weights=[0.5, 0.25])
        store.enrol("ann", vectors[2], template=remembering)
        [samples] = given
        np.testing.assert_allclose(samples.embeddings, vectors, atol=1e-6)
        np.testing.assert_array_equal(samples.weights, [0.5, 0.25, 1])

    def test_template_is_what_search_compares_with(self, store: Store) -> None:
        """If this fails: what a template makes is not normalised, or not used as centroid."""
        store.enrol("ann", directions(3), template=lambda samples: 7 * (axis(0) - axis(1)))
        expected = unit(axis(0) - axis(1))
        np.testing.assert_allclose(held(store, "ann").centroid, expected, atol=1e-6)
        assert names(store, expected, min_similarity=0.999) == ["ann"]

    def test_later_enrolment_is_the_weighted_mean_again(self, store: Store) -> None:
        """If this fails: a template changes the sum of the samples, or outlives the next mean."""
        store.enrol("ann", axis(0), weights=[0.5], template=lambda samples: axis(3))
        store.enrol("ann", axis(1), template=lambda samples: -axis(3))
        store.enrol("ann", axis(2), weights=[0.25])
        expected = unit(0.5 * axis(0) + axis(1) + 0.25 * axis(2))
        np.testing.assert_allclose(held(store, "ann").centroid, expected, atol=1e-6)

    @pytest.mark.parametrize("again", [["a", "b"], []], ids=["keys held", "no samples"])
    def test_template_is_made_even_if_nothing_is_added(self, store: Store, again: Any) -> None:
        """If this fails: another template takes effect only with the next new sample."""
        vectors = np.stack([axis(0), axis(1)])
        store.enrol("ann", vectors, keys=["a", "b"], weights=[0.5, 1])
        before = held(store, "ann").centroid
        assert store.enrol("ann", vectors[: len(again)], keys=again, template=heaviest) == 0
        np.testing.assert_array_equal(held(store, "ann").centroid, axis(1))
        assert store.enrol("ann", vectors[: len(again)], keys=again) == 0
        np.testing.assert_array_equal(held(store, "ann").centroid, before)

    def test_no_samples_need_no_template(self, store: Store) -> None:
        """If this fails: a template is asked about an identity without samples."""
        counting = Counting()
        assert store.enrol("ann", directions(0), template=counting) == 0
        assert (counting.seen, store.count()) == ([], 0)

    def test_samples_that_cancel_out_may_have_a_template(self, store: Store) -> None:
        """If this fails: samples without a mean are refused where the mean is not asked for, or
        accepted where it is."""
        opposite = np.stack([axis(0), -axis(0)])
        store.enrol("ann", opposite, keys=["a", "b"], template=heaviest)
        with pytest.raises(StoreError, match="cancel"):
            store.enrol("ann", opposite, keys=["a", "b"])
        np.testing.assert_array_equal(held(store, "ann").centroid, axis(0))

    @pytest.mark.parametrize("made", WITHOUT_DIRECTION.values(), ids=WITHOUT_DIRECTION)
    @pytest.mark.parametrize("identity", ["ann", "new"])
    def test_template_without_direction_writes_nothing(
        self, store: Store, identity: str, made: Any
    ) -> None:
        """If this fails: a centroid is kept that cannot be compared, or samples without it."""
        store.enrol("ann", directions(2), keys=["a", "b"], weights=[0.5, 1], template=heaviest)
        before = everything(store)
        with pytest.raises(StoreError, match=f"template of '{identity}'"):
            store.enrol(
                identity, axis(3), keys=["c"], metadata={"lost": 1}, template=lambda samples: made
            )
        assert everything(store) == before

    @pytest.mark.parametrize("identity", ["ann", "new"])
    def test_template_that_raises_writes_nothing(self, store: Store, identity: str) -> None:
        """If this fails: an error of a template is hidden, or half of its enrolment stays."""

        def failing(samples: Samples) -> Vector:
            raise LookupError("of a template")

        store.enrol("ann", directions(2), keys=["a", "b"], weights=[0.5, 1], template=heaviest)
        before = everything(store)
        with pytest.raises(LookupError, match="of a template"):
            store.enrol(identity, axis(3), keys=["c"], metadata={"lost": 1}, template=failing)
        assert everything(store) == before
        assert store.enrol(identity, axis(3), keys=["c"]) == 1

    def test_concurrent_templates_see_every_sample(self, store: Store) -> None:
        """If this fails: a template is made of samples that were read without a lock."""
        check_concurrent_templates([store] * 4)

    @pytest.mark.usefixtures("needs_persistence")
    def test_two_handles_make_one_template(self, open_store: OpenStore) -> None:
        """If this fails: the lock under which a template is made holds in one process only."""
        with open_store() as first, open_store() as second:
            check_concurrent_templates([first, second])

    @pytest.mark.usefixtures("needs_persistence")
    def test_reopening_keeps_weights_and_templates(self, open_store: OpenStore) -> None:
        """If this fails: weights, or the centroid that a template made, live in the object."""
        with open_store() as store:
            store.enrol("ann", directions(3), weights=[0.5, 1, 0.25], template=heaviest)
            before = everything(store)
        with open_store() as store:
            assert everything(store) == before
            store.enrol("ann", axis(0))
            mean = np.array([0.5, 1, 0.25]) @ directions(3) + axis(0)
            np.testing.assert_allclose(held(store, "ann").centroid, unit(mean), atol=1e-6)


def check_concurrent_templates(handles: Sequence[Store]) -> None:
    """One thread for each handle enrols the same identity; the calls must come one by one."""
    threads, rounds = len(handles), 10
    samples = directions(threads * rounds).reshape(threads, rounds, DIM)
    weights = np.linspace(0.1, 1, threads * rounds).reshape(threads, rounds)
    together, counting = Barrier(threads), Counting()

    def enrol_all(handle: Store, vectors: Vector, weights: Vector) -> None:
        together.wait()
        for vector, weight in zip(vectors, weights, strict=True):
            handle.enrol("ann", vector, weights=[weight], template=counting)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(enrol_all, handles, samples, weights))
    assert counting.seen == list(range(1, threads * rounds + 1))
    np.testing.assert_allclose(held(handles[0], "ann").centroid, samples[-1, -1], atol=1e-6)
