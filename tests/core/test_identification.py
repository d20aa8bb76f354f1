"""Identification: ranks, open sets, and who was not found."""

from __future__ import annotations

import numpy as np
import pytest

from facenet.errors import DataError
from facenet.evaluation import identification, templates_of


def people_of(count: int, images: int, noise: float, seed: int = 0, dim: int = 16):
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(count), images)
    vectors = random.normal(size=(count, dim))[labels] + noise * random.normal(
        size=(count * images, dim)
    )
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def test_a_template_is_the_direction_of_the_sum() -> None:
    vectors = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    templates, people = templates_of(vectors, np.array([5, 5, 2]))
    assert people.tolist() == [2, 5]
    np.testing.assert_allclose(templates, [[-1, 0], [0.5**0.5, 0.5**0.5]], atol=1e-6)


def test_ranks_equal_those_of_a_sorted_list() -> None:
    vectors, labels = people_of(40, 4, 1.5)
    templates, people = templates_of(vectors[::2], labels[::2])
    result = identification(templates, people, vectors[1::2], labels[1::2])
    order = people[np.argsort(-(vectors[1::2] @ templates.T), axis=1)]
    for k in (1, 5):
        hits = (order[:, :k] == labels[1::2, None]).any(axis=1).mean()
        assert result.figures[f"rank_{k}"].value == pytest.approx(hits)
        assert result.hits[k - 1] == pytest.approx(hits)
    assert result.figures["rank_1"].low < result.figures["rank_1"].value
    assert result.figures["rank_1"].n == 80


def test_open_set_with_strangers() -> None:
    vectors, labels = people_of(60, 4, 1.0)
    known = labels < 40
    templates, people = templates_of(vectors[known][::2], labels[known][::2])
    probes, truth = vectors[1::2], labels[1::2]
    result = identification(templates, people, probes, truth)
    similarity = probes @ templates.T
    strangers, mated = similarity[truth >= 40].max(axis=1), truth < 40
    assert (result.mated, result.non_mated) == (80, 40)
    threshold = np.sort(strangers)[::-1][4]  # FPIR 0.1 of 40 lets 4 pass
    named = (people[similarity.argmax(axis=1)] == truth) & (similarity.max(axis=1) > threshold)
    figure = result.figures["fnir_at_fpir_0.1"]
    assert figure.value == pytest.approx(1 - named[mated].mean())
    assert figure.low <= figure.value <= figure.high
    assert result.figures["fnir_at_fpir_0.01"].needs == 300


def test_without_strangers_each_person_is_left_out_in_turn() -> None:
    vectors, labels = people_of(30, 2, 0.8)
    templates, people = templates_of(vectors[::2], labels[::2])
    result = identification(templates, people, vectors[1::2], labels[1::2])
    assert result.non_mated == result.mated == 30
    assert "left out" in result.open_set


def test_a_probe_without_a_face_is_a_miss() -> None:
    vectors, labels = people_of(20, 2, 0.01)
    templates, people = templates_of(vectors[::2], labels[::2])
    found = np.arange(20) >= 5
    result = identification(
        templates, people, vectors[1::2][found], labels[1::2][found], unseen=labels[1::2][~found]
    )
    assert result.figures["rank_1"].value == pytest.approx(15 / 20)
    assert result.figures["rank_1"].n == 20


def test_a_few_people_without_an_error_are_bounded_by_the_rule_of_three() -> None:
    """Of four people a replicate may draw no one at all."""
    vectors, labels = people_of(4, 4, 0.01)
    templates, people = templates_of(vectors[::2], labels[::2])
    rank = identification(templates, people, vectors[1::2], labels[1::2]).figures["rank_1"]
    assert (rank.value, rank.low, rank.high) == (1, pytest.approx(1 - 3 / 4), 1)


def test_probes_of_strangers_alone_measure_nothing() -> None:
    vectors, labels = people_of(4, 2, 0.1)
    templates, people = templates_of(vectors[:4], labels[:4])
    with pytest.raises(DataError, match="no probe is of a person in the gallery"):
        identification(templates, people, vectors[4:], labels[4:])
