"""Verification and identification figures, held against scikit-learn."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_auc_score, roc_curve

from facenet.errors import DataError
from facenet.evaluation import measure_all_pairs, rank_k_accuracy, verification


def simulated(genuine: int, impostors: int, seed: int = 0, decimals: int = 9):
    random = np.random.default_rng(seed)
    scores = np.concatenate([random.normal(0.6, 0.2, genuine), random.normal(0.1, 0.2, impostors)])
    truth = np.arange(genuine + impostors) < genuine
    order = random.permutation(len(scores))
    return scores[order].round(decimals), truth[order]


@st.composite
def scored_pairs(draw):
    """Few pairs with many ties: where threshold sweeps go wrong."""
    return simulated(
        draw(st.integers(1, 40)),
        draw(st.integers(1, 40)),
        draw(st.integers(0, 99)),
        draw(st.sampled_from([0, 1, 2, 9])),
    )


@given(scored_pairs())
def test_auc_and_curve_equal_scikit_learns(pairs) -> None:
    scores, truth = pairs
    result = verification(scores, truth)
    assert result.auc == pytest.approx(roc_auc_score(truth, scores), abs=1e-9)
    far, tar, thresholds = roc_curve(truth, scores, drop_intermediate=False)
    np.testing.assert_allclose(result.far, far, atol=1e-12)
    np.testing.assert_allclose(result.tar, tar, atol=1e-12)
    np.testing.assert_allclose(result.thresholds[1:], thresholds[1:])


@given(scored_pairs())
def test_accuracy_is_the_best_over_all_thresholds_and_reached(pairs) -> None:
    scores, truth = pairs
    result = verification(scores, truth)
    candidates = [*np.unique(scores), scores.max() + 1]
    best = max(balanced_accuracy_score(truth, scores >= threshold) for threshold in candidates)
    assert result.accuracy == pytest.approx(best, abs=1e-12)
    reached = balanced_accuracy_score(truth, scores >= result.best_threshold)
    assert reached == pytest.approx(best, abs=1e-12)


def test_tar_at_far_is_the_highest_tar_at_an_allowed_far() -> None:
    scores, truth = simulated(500, 5000)
    result = verification(scores, truth)
    far, tar, _ = roc_curve(truth, scores, drop_intermediate=False)
    for target in (1e-1, 1e-2, 1e-3):
        point = result.operating_points[target]
        assert point.tar == pytest.approx(tar[far <= target].max())
        accepted = scores[~truth] >= point.threshold
        assert accepted.mean() <= target


def test_a_far_that_the_impostor_pairs_cannot_support_is_not_a_number() -> None:
    points = verification(*simulated(50, 300)).operating_points
    assert points[1e-2] is not None
    assert points[1e-3] is None
    assert verification(*simulated(50, 299)).operating_points[1e-2] is None


def test_the_decision_point_is_the_nearest_supported_far() -> None:
    assert verification(*simulated(50, 30000)).decision_point().far == 1e-2
    assert verification(*simulated(50, 100)).decision_point().far == 1e-1
    assert verification(*simulated(50, 10)).decision_point() is None


@given(scored_pairs())
def test_eer_lies_between_the_points_where_the_rates_cross(pairs) -> None:
    result = verification(*pairs)
    crossed = result.far >= 1 - result.tar
    last, first = np.flatnonzero(~crossed)[-1:], np.flatnonzero(crossed)[0]
    assert result.eer <= result.far[first] + 1e-12
    for index in last:
        assert result.eer >= result.far[index] - 1e-12
        assert result.eer <= 1 - result.tar[index] + 1e-12


def test_perfect_separation_is_perfect() -> None:
    scores, truth = np.array([0.9, 0.8, 0.1, 0.0]), np.array([True, True, False, False])
    result = verification(scores, truth)
    assert (result.accuracy, result.auc, result.eer) == (1.0, 1.0, 0.0)
    assert result.best_threshold == 0.8


@pytest.mark.parametrize("truth", [[True, True], [False, False]])
def test_one_kind_of_pair_is_not_enough(truth: list[bool]) -> None:
    with pytest.raises(DataError, match="both kinds are needed"):
        verification(np.array([0.1, 0.2]), np.array(truth))


def test_nan_is_refused() -> None:
    with pytest.raises(DataError, match="NaN"):
        verification(np.array([0.1, np.nan]), np.array([True, False]))


def test_all_pairs_are_each_pair_once() -> None:
    embeddings = np.eye(3, dtype=np.float32)[[0, 0, 1, 2]]
    pairs = measure_all_pairs(embeddings, [7, 7, 8, 9]).pairs
    assert pairs.similarity.tolist() == [1, 0, 0, 0, 0, 0]
    assert pairs.genuine.tolist() == [True, False, False, False, False, False]
    assert sorted(zip(pairs.first, pairs.second, strict=True)) == list(combinations(range(4), 2))


def test_more_operating_points_on_request() -> None:
    scores, truth = simulated(500, 5000)
    points = verification(scores, truth, more_fars=[0.02]).operating_points
    far, tar, _ = roc_curve(truth, scores, drop_intermediate=False)
    assert points[0.02].tar == pytest.approx(tar[far <= 0.02].max())


def test_rank_k_counts_a_truth_among_the_first_k() -> None:
    ranked = [["a", "b"], ["b", "a"], ["c", "b"]]
    assert rank_k_accuracy(["a", "a", "a"], ranked, 1) == pytest.approx(1 / 3)
    assert rank_k_accuracy(["a", "a", "a"], ranked, 2) == pytest.approx(2 / 3)
