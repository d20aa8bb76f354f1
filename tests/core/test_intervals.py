"""Confidence intervals: they cover what they say, and know what pairs share."""

from __future__ import annotations

from collections import Counter
from statistics import NormalDist

import numpy as np
import pytest

from facenet.evaluation import (
    Measured,
    ScoredPairs,
    Summary,
    measure_all_pairs,
    measure_pairs,
    rates_at,
    summarize,
    tar_change,
)

OF_PERSON, OF_PAIR, GENUINE = 0.08, 0.15, 0.6
"""Standard deviations of a person's and of a pair's share in a similarity, and where genuine
similarities lie; impostors lie around 0."""


def sparse_pairs(random: np.random.Generator, people: int, each: int) -> ScoredPairs:
    """As in lists of pairs: `each` genuine and `each` impostor pairs of random people."""
    one = random.integers(0, people, each)
    first = random.integers(0, people, each)
    second = (first + 1 + random.integers(0, people - 1, each)) % people
    return scored(random, people, np.concatenate([one, first]), np.concatenate([one, second]))


def every_pair(random: np.random.Generator, people: int, images: int) -> ScoredPairs:
    """All pairs of `images` images of each person."""
    labels = np.repeat(np.arange(people), images)
    first, second = np.triu_indices(len(labels), k=1)
    return scored(random, people, labels[first], labels[second])


def scored(random, people: int, first, second) -> ScoredPairs:
    likeness = random.normal(0, OF_PERSON, people)  # how well a person's photos resemble
    commonness = random.normal(0, OF_PERSON / 2, people)  # how much others resemble a person
    similarity = random.normal(0, OF_PAIR, len(first)) + np.where(
        first == second, GENUINE + likeness[first], commonness[first] + commonness[second]
    )
    return ScoredPairs(similarity, first, second, np.arange(people))


def true_figures() -> dict[str, float]:
    """What the figures of endlessly many people would be."""
    genuine = NormalDist(GENUINE, (OF_PERSON**2 + OF_PAIR**2) ** 0.5)
    impostor = NormalDist(0, (OF_PERSON**2 / 2 + OF_PAIR**2) ** 0.5)
    thresholds = np.linspace(-0.5, 1.2, 17_001)
    far = np.array([1 - impostor.cdf(t) for t in thresholds])
    tar = np.array([1 - genuine.cdf(t) for t in thresholds])
    return {
        "accuracy": float(((tar + 1 - far) / 2).max()),
        "auc": NormalDist().cdf(GENUINE / (genuine.variance + impostor.variance) ** 0.5),
        "eer": float(far[np.argmin(np.abs(far - (1 - tar)))]),
        "tar_at_far_0.1": 1 - genuine.cdf(impostor.inv_cdf(0.9)),
        "tar_at_far_0.01": 1 - genuine.cdf(impostor.inv_cdf(0.99)),
        "threshold_0.1": impostor.inv_cdf(0.9),
        "threshold_0.01": impostor.inv_cdf(0.99),
    }


def intervals(summary: Summary) -> dict[str, tuple[float, float]]:
    thresholds = {f"threshold_{far:g}": value for far, value in summary.thresholds.items()}
    return {name: (f.low, f.high) for name, f in (summary.figures | thresholds).items()}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "draw",
    [lambda random: sparse_pairs(random, 400, 1500), lambda random: every_pair(random, 200, 3)],
    ids=["listed pairs", "all pairs"],
)
def test_95_percent_intervals_cover_93_to_97_percent_of_1000_trials(draw) -> None:
    truth, covered, trials = true_figures(), Counter(), 1000
    random = np.random.default_rng(0)
    for trial in range(trials):
        found = intervals(summarize(measure_pairs(draw(random)), count=300, seed=trial))
        covered.update(
            name for name, value in truth.items() if found[name][0] <= value <= found[name][1]
        )
    shares = {name: covered[name] / trials for name in truth}
    assert all(0.93 <= share <= 0.97 for share in shares.values()), shares


def known_pairs(people: int = 60, each: int = 400, seed: int = 0) -> ScoredPairs:
    return sparse_pairs(np.random.default_rng(seed), people, each)


def test_every_figure_lies_in_its_interval_and_says_on_how_many_trials() -> None:
    summary = summarize(measure_pairs(known_pairs()))
    for name, figure in summary.figures.items():
        if figure.value is None:
            assert (figure.low, figure.high) == (None, None)
            continue
        assert 0 <= figure.low <= figure.value <= figure.high <= 1, name
        assert figure.n == (400 if name.startswith("tar") else 800)


def test_a_far_without_support_says_what_it_would_need() -> None:
    figures = summarize(measure_pairs(known_pairs(each=400))).figures
    assert figures["tar_at_far_0.01"].value is not None
    unsupported = figures["tar_at_far_0.001"]
    assert (unsupported.value, unsupported.needs) == (None, 3000)
    assert str(unsupported) == "not supported: needs 3,000"


def test_the_same_seed_gives_the_same_intervals() -> None:
    measured = measure_pairs(known_pairs())
    one, again, other = (summarize(measured, count=100, seed=seed) for seed in (1, 1, 2))
    assert one.figures == again.figures
    assert one.figures != other.figures


def test_more_people_make_narrower_intervals() -> None:
    few, many = (
        summarize(measure_pairs(known_pairs(people, each))).figures["auc"]
        for people, each in ((40, 200), (640, 3200))
    )
    assert few.high - few.low > 2 * (many.high - many.low)


def test_pairs_that_share_people_say_less_than_as_many_that_do_not() -> None:
    """1,000 pairs of 10 people are not 1,000 pairs of 1,000 people."""
    random = np.random.default_rng(3)
    crowd, few = (sparse_pairs(random, people, 1000) for people in (2000, 10))
    widths = [
        figure.high - figure.low
        for figure in (summarize(measure_pairs(pairs)).figures["auc"] for pairs in (crowd, few))
    ]
    assert widths[1] > 2 * widths[0]


def test_without_an_error_the_rule_of_three_bounds_the_interval() -> None:
    people = 30
    labels = np.repeat(np.arange(people), 2)
    perfect = np.eye(people, dtype=np.float32)[labels]
    figures = summarize(measure_all_pairs(perfect, labels)).figures
    for name in ("accuracy", "auc", "tar_at_far_0.1"):
        assert (figures[name].value, figures[name].high) == (1, 1)
        assert figures[name].low == pytest.approx(1 - 3 / people)
    assert figures["eer"].high == pytest.approx(3 / people)


@pytest.mark.filterwarnings("error")
def test_two_people_are_measured_and_hardly_known() -> None:
    labels = np.repeat([0, 1], 4)
    vectors = np.random.default_rng(0).normal(size=(8, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    summary = summarize(measure_all_pairs(vectors.astype(np.float32), labels))
    for figure in (summary.figures["auc"], summary.figures["eer"], summary.figures["accuracy"]):
        assert 0 <= figure.low <= figure.value <= figure.high <= 1
        assert figure.high - figure.low > 0.9


def test_the_interval_of_a_sample_is_about_that_of_all_pairs() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(150), 6)
    centres = random.normal(size=(150, 32))
    vectors = centres[labels] + 1.5 * random.normal(size=(900, 32))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    whole = summarize(measure_all_pairs(vectors, labels))
    sample = summarize(measure_all_pairs(vectors, labels, most_pairs=100_000))
    for name, figure in whole.figures.items():
        if figure.value is not None:
            other = sample.figures[name]
            assert other.value == pytest.approx(figure.value, abs=1e-6)
            assert other.high - other.low == pytest.approx(figure.high - figure.low, rel=0.3), name


def test_accuracy_over_folds_takes_each_threshold_from_the_others() -> None:
    pairs = known_pairs(each=400)
    fold = np.arange(800) % 4
    folded = ScoredPairs(pairs.similarity, pairs.first, pairs.second, pairs.identity, fold=fold)
    summary = summarize(measure_pairs(folded), count=100)
    expected = []
    for number in range(4):
        inside, outside = folded.where(fold == number), folded.where(fold != number)
        threshold = measure_pairs(outside).verification.best_threshold
        accepted = inside.similarity >= threshold
        tar, far = accepted[inside.genuine].mean(), accepted[~inside.genuine].mean()
        expected.append((tar + 1 - far) / 2)
    assert summary.figures["accuracy"].value == pytest.approx(np.mean(expected), abs=1e-12)
    assert summary.protocol.startswith("4 folds")
    assert "same pairs" in summarize(measure_pairs(pairs), count=100).protocol


def test_rates_at_a_threshold_are_the_shares_accepted() -> None:
    pairs = known_pairs()
    rates = rates_at(measure_pairs(pairs), 0.3)
    accepted = pairs.similarity >= 0.3
    assert rates["tar"].value == pytest.approx(accepted[pairs.genuine].mean())
    assert rates["far"].value == pytest.approx(accepted[~pairs.genuine].mean())
    assert rates["far"].low < rates["far"].value < rates["far"].high


def moved(pairs: ScoredPairs, by: float) -> Measured:
    """The same pairs by another model, whose genuine similarities differ."""
    similarity = pairs.similarity + by * pairs.genuine
    return measure_pairs(ScoredPairs(similarity, pairs.first, pairs.second, pairs.identity))


def test_a_change_of_tar_is_told_from_chance_by_pairing() -> None:
    pairs = known_pairs(people=300, each=2000)
    worse = tar_change(measure_pairs(pairs), moved(pairs, -0.05), 1e-2)
    assert worse.value < 0
    assert worse.high < 0
    same = tar_change(measure_pairs(pairs), moved(pairs, 0.0), 1e-2)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    # Unpaired, the same change drowns in the noise of the two figures.
    tar = summarize(measure_pairs(pairs)).figures["tar_at_far_0.01"]
    assert tar.high - tar.low > worse.high - worse.low
