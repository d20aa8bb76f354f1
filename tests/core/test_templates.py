"""What stands for an identity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facenet.recognition.templates import FEWEST, outliers, robust_template
from facenet.stores import Samples

DIM = 64


def person(seed: int, samples: int, spread: float = 0.6) -> np.ndarray:
    """Unit vectors around one direction."""
    random = np.random.default_rng(seed)
    centre = random.normal(size=DIM)
    centre /= np.linalg.norm(centre)
    vectors = centre + spread * random.normal(size=(samples, DIM)) / np.sqrt(DIM)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def samples_of(embeddings: np.ndarray, weights: object = None) -> Samples:
    given_weights = np.ones(len(embeddings)) if weights is None else np.asarray(weights)
    return Samples(embeddings, given_weights.astype(np.float32))


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), samples=st.integers(3, 20), place=st.integers(0, 19))
def test_a_stranger_among_one_persons_samples_is_found(seed, samples, place) -> None:
    stranger = person(seed + 1_000_000, 1)
    place = min(place, samples)
    embeddings = np.insert(person(seed, samples), place, stranger, axis=0)
    assert np.flatnonzero(outliers(samples_of(embeddings))).tolist() == [place]


def test_of_few_samples_none_is_an_outlier() -> None:
    embeddings = np.concatenate([person(0, FEWEST - 2), person(1, 1)])
    assert not outliers(samples_of(embeddings)).any()


def test_identical_samples_are_no_outliers() -> None:
    assert not outliers(samples_of(np.tile(person(0, 1), (6, 1)))).any()


def test_a_robust_template_is_not_moved_by_a_stranger() -> None:
    own = person(0, 6)
    mean = own.mean(axis=0)
    with_stranger = robust_template(samples_of(np.concatenate([own, person(1, 1)])))
    cosine = with_stranger @ mean / np.linalg.norm(with_stranger) / np.linalg.norm(mean)
    assert cosine == pytest.approx(1, abs=1e-6)


def test_weights_say_how_much_a_sample_counts() -> None:
    axes = np.eye(2, DIM, dtype=np.float32)
    template = robust_template(samples_of(axes, [1.0, 0.25]))
    np.testing.assert_allclose(template[:2] / template[0], [1, 0.25], atol=1e-6)
