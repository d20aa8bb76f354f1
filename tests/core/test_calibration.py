"""Thresholds that a model keeps: for pairs, for galleries, and as probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from facenet.errors import DataError
from facenet.evaluation import (
    Embedded,
    ScoredPairs,
    fit_probability,
    measure_all_pairs,
    measure_pairs,
    summarize,
)
from facenet.models import Calibration, Probability, calibration_fars, calibration_of


def scored(people: int = 60, each: int = 3000, seed: int = 0) -> ScoredPairs:
    random = np.random.default_rng(seed)
    one, first = random.integers(0, people, (2, each))
    second = (first + 1 + random.integers(0, people - 1, each)) % people
    similarity = np.concatenate([random.normal(0.6, 0.15, each), random.normal(0, 0.15, each)])
    sides = np.concatenate([one, first]), np.concatenate([one, second])
    return ScoredPairs(similarity.clip(-1, 1), *sides, np.arange(people))


def calibrated(far: float, pairs: ScoredPairs | None = None) -> Calibration:
    pairs = pairs or scored()
    summary = summarize(measure_pairs(pairs, more_fars=calibration_fars(far)), count=100)
    return calibration_of(summary, far, data="drawn", fingerprint="0" * 16)


def far_of(threshold: float, pairs: ScoredPairs) -> float:
    return float((pairs.similarity[~pairs.genuine] >= threshold).mean())


@pytest.mark.parametrize("far", [0.1, 0.03, 1e-3])
def test_the_threshold_keeps_its_far_and_no_lower_one_does(far: float) -> None:
    pairs = scored()
    threshold = calibrated(far, pairs).threshold
    assert far_of(threshold, pairs) <= far
    assert far_of(np.nextafter(threshold, -1), pairs) > far


def test_a_larger_gallery_needs_a_higher_threshold() -> None:
    pairs, calibration = scored(), calibrated(0.1)
    thresholds = [calibration.for_gallery(size)[0] for size in (0, 1, 2, 5, 20)]
    assert thresholds[0] == thresholds[1] == calibration.threshold
    assert thresholds == sorted(thresholds)
    for size, threshold in zip((2, 5, 20), thresholds[2:], strict=True):
        assert far_of(threshold, pairs) <= 0.1 / size


def test_a_gallery_beyond_what_was_measured_says_so() -> None:
    calibration = calibrated(0.1)
    threshold, origin = calibration.for_gallery(10_000)
    assert threshold == calibration.curve[-1][1]
    assert "FAR 0.1 over a gallery of 10,000 would need 300,000 impostor pairs, and 3,000" in origin


def test_a_far_that_the_pairs_cannot_support_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"FAR 0\.0001 needs 30,000 impostor pairs, and there are 3,000"
    ):
        calibrated(1e-4)


def test_a_model_that_tells_no_one_apart_gets_no_threshold() -> None:
    everyone_alike = np.tile(np.eye(1, 8, dtype=np.float32), (40, 1))
    measured = measure_all_pairs(
        everyone_alike, np.repeat(np.arange(20), 2), more_fars=calibration_fars(0.1)
    )
    with pytest.raises(DataError, match="tells no one apart"):
        calibration_of(summarize(measured, count=50), 0.1, data="", fingerprint="")


@pytest.mark.parametrize("kind", ["logistic", "isotonic"])
def test_probabilities_are_right_as_often_as_they_say(kind) -> None:
    fitted = fit_probability(scored(), kind)
    assert fitted.calibration_error < 0.05
    fresh = scored(seed=1)
    probability = Probability(
        kind=fitted.kind,
        slope=fitted.slope,
        intercept=fitted.intercept,
        points=fitted.points,
        calibration_error=fitted.calibration_error,
    )
    said = np.array([probability.of(float(s)) for s in fresh.similarity])
    assert np.all((said >= 0) & (said <= 1))
    assert brier_score_loss(fresh.genuine, said) < 0.05  # 0.25: knowing nothing
    likely = (said > 0.7) & (said < 0.9)
    assert fresh.genuine[likely].mean() == pytest.approx(0.8, abs=0.12)


def test_too_few_people_cannot_check_probabilities() -> None:
    with pytest.raises(DataError, match="too few people"):
        fit_probability(scored(people=2, each=20), "logistic")


def test_an_embedding_that_is_no_number_is_named_by_its_image() -> None:
    vectors = np.eye(3, dtype=np.float32)
    vectors[1, 0] = np.nan
    images = [Path("a", f"{number}.jpg") for number in range(3)]
    with pytest.raises(DataError, match=r"a/1\.jpg: its embedding holds NaN .*\(1 of 3 images\)"):
        Embedded(images, ["a"] * 3, vectors, np.ones(3, bool))
    unfound = np.array([True, False, True])
    assert len(Embedded(images, ["a"] * 3, vectors, unfound).images) == 3
