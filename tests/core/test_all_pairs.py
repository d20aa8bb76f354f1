"""All pairs in blocks: every figure equal to that of all pairs at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from facenet.errors import DataError
from facenet.evaluation import NO_FACE, Measured, measure_all_pairs

KEPT_ONE_BY_ONE = 10**9
ROUNDING = 1e-6


def faces(images: int, people: int, noise: float, seed: int = 0, dim: int = 16):
    """(N, D) embeddings of unit length and (N,) labels, in no order."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, people, images)
    centres = random.normal(size=(people, dim))
    vectors = centres[labels] + noise * random.normal(size=(images, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def tied(images: int, people: int, seed: int):
    """Embeddings whose similarities are few different, exact numbers: multiples of 1/4."""
    random = np.random.default_rng(seed)
    chosen = random.random((images, 8)).argsort(axis=1)[:, :4]
    vectors = np.zeros((images, 8), np.float32)
    np.put_along_axis(vectors, chosen, 0.5, axis=1)
    return vectors, random.integers(0, people, images)


def assert_equal_figures(one: Measured, other: Measured) -> None:
    """Equal but for the last bits of a threshold, and for the order of two pairs that differ in
    nothing else: some processors round the matrix product of a block otherwise than that of all."""
    first, second = one.verification, other.verification
    assert (first.genuine_pairs, first.impostor_pairs) == (
        second.genuine_pairs,
        second.impostor_pairs,
    )
    assert first.operating_points.keys() == second.operating_points.keys()
    for far, point in first.operating_points.items():
        expected = second.operating_points[far]
        assert (point is None) == (expected is None), far
        if point is not None and expected is not None:
            assert (point.far, point.tar) == (expected.far, expected.tar)
            assert point.threshold == pytest.approx(expected.threshold, abs=ROUNDING)
    assert first.best_threshold == pytest.approx(second.best_threshold, abs=ROUNDING)
    two_pairs = 2 / (first.genuine_pairs * first.impostor_pairs)
    assert first.auc == pytest.approx(second.auc, abs=two_pairs)
    for name in ("accuracy", "eer"):
        assert getattr(first, name) == pytest.approx(getattr(second, name), abs=1e-12), name


@settings(deadline=None, max_examples=25)
@given(
    st.integers(60, 200), st.integers(3, 40), st.sampled_from([0.3, 1.0, 4.0]), st.integers(0, 9)
)
def test_blocks_give_the_figures_of_all_pairs_at_once(images, people, noise, seed) -> None:
    data = faces(images, people, noise, seed)
    whole = measure_all_pairs(*data, more_fars=[0.03], most_pairs=KEPT_ONE_BY_ONE)
    assert_equal_figures(measure_all_pairs(*data, more_fars=[0.03], most_pairs=1000), whole)


@settings(deadline=None, max_examples=25)
@given(st.integers(60, 200), st.integers(3, 40), st.integers(0, 9))
def test_equal_similarities_are_accepted_together_in_blocks_too(images, people, seed) -> None:
    data = tied(images, people, seed)
    whole = measure_all_pairs(*data, most_pairs=KEPT_ONE_BY_ONE)
    assert_equal_figures(measure_all_pairs(*data, most_pairs=1000), whole)


def test_more_rows_than_a_block_has() -> None:
    data = faces(2500, 300, 1.5)
    whole = measure_all_pairs(*data, most_pairs=KEPT_ONE_BY_ONE)
    assert_equal_figures(measure_all_pairs(*data, most_pairs=100_000), whole)


def test_figures_in_blocks_equal_scikit_learns() -> None:
    """On exact similarities, so that the order of additions cannot play a part."""
    vectors, labels = tied(1500, 200, 1)
    result = measure_all_pairs(vectors, labels, most_pairs=1000).verification
    first, second = np.triu_indices(len(labels), k=1)
    scores, truth = (vectors @ vectors.T)[first, second], labels[first] == labels[second]
    assert result.auc == pytest.approx(roc_auc_score(truth, scores), abs=1e-9)
    far, tar, _ = roc_curve(truth, scores, drop_intermediate=False)
    for target, point in result.operating_points.items():
        if point:
            assert point.tar == pytest.approx(tar[far <= target].max(), abs=1e-9)


def test_the_sample_stands_for_all_pairs() -> None:
    data = faces(600, 60, 1.5)
    whole = measure_all_pairs(*data, most_pairs=KEPT_ONE_BY_ONE).pairs
    sample = measure_all_pairs(*data, most_pairs=20_000).pairs
    assert sample.weight.sum() == pytest.approx(len(whole))
    assert sample.weight[sample.genuine].sum() == pytest.approx(whole.genuine.sum())
    assert len(sample) < len(whole) / 3
    # The most similar impostor pairs are all there, as they are.
    top = np.sort(whole.similarity[~whole.genuine])[-5000:]
    np.testing.assert_allclose(np.sort(sample.similarity[~sample.genuine])[-5000:], top, atol=1e-6)
    for place in (0, 1000, -1):
        first, second = data[0][sample.first[place]], data[0][sample.second[place]]
        assert sample.similarity[place] == pytest.approx(float(first @ second), abs=1e-5)


@pytest.mark.parametrize("most_pairs", [KEPT_ONE_BY_ONE, 1000])
def test_pairs_of_a_face_that_was_not_found_count_as_not_recognised(most_pairs: int) -> None:
    vectors, labels = faces(100, 10, 0.1)
    found = np.arange(100) >= 10
    vectors[:10] = np.nan  # what stands there means nothing
    result = measure_all_pairs(vectors, labels, found=found, most_pairs=most_pairs)
    seen = measure_all_pairs(vectors[10:], labels[10:]).verification
    exact = result.verification
    assert exact.genuine_pairs + exact.impostor_pairs == 100 * 99 / 2
    lost = exact.genuine_pairs - seen.genuine_pairs
    assert lost > 0
    assert exact.operating_points[0.1].tar == pytest.approx(
        seen.genuine_pairs * seen.operating_points[0.1].tar / exact.genuine_pairs
    )
    unfound = ~(found[result.pairs.first] & found[result.pairs.second])
    assert (result.pairs.similarity[unfound] == NO_FACE).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v * np.nan, "NaN"),
        (lambda v: v * 2, "unit length"),
    ],
)
def test_embeddings_that_are_none_are_refused(change, message: str) -> None:
    vectors, labels = faces(100, 10, 1.0)
    with pytest.raises(DataError, match=message):
        measure_all_pairs(change(vectors), labels, most_pairs=1000)


def test_one_person_makes_no_impostor_pair() -> None:
    with pytest.raises(DataError, match="0 impostor pairs"):
        measure_all_pairs(np.eye(4, dtype=np.float32), [1, 1, 1, 1])
