"""Comparing models on the same images: paired differences, and what they mean."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from facenet.benchmark.compare import compare_models, compare_sweeps, compare_with_best
from facenet.benchmark.summary import candidates
from facenet.errors import DataError
from facenet.evaluation import Embedded, all_pairs_result

from .sweeps import Run, embedded, write_sweep

GOOD, BAD = Run("resnet18", noise=1.0), Run("resnet34", noise=1.6)


@pytest.fixture(scope="module")
def good(faces: Path) -> Embedded:
    return embedded(faces, GOOD)


@pytest.fixture(scope="module")
def bad(faces: Path) -> Embedded:
    return embedded(faces, BAD)


def test_a_model_does_not_differ_from_itself(good: Embedded) -> None:
    for difference in compare_models(good, good):
        change = difference.change
        assert (change.value, change.low, change.high) == (0, 0, 0)
        assert difference.verdict == "no difference shown"


def test_exchanging_the_models_turns_every_difference_round(good: Embedded, bad: Embedded) -> None:
    for one, other in zip(compare_models(good, bad), compare_models(bad, good), strict=True):
        assert one.figure == other.figure
        assert (one.a, one.b) == (other.b, other.a)
        assert one.change.value == -other.change.value
        assert one.change.low == pytest.approx(-other.change.high, abs=1e-12)
        assert one.change.high == pytest.approx(-other.change.low, abs=1e-12)


def test_figures_are_those_of_an_evaluation(good: Embedded, bad: Embedded) -> None:
    before, after = (all_pairs_result(data).figures for data in (good, bad))
    found = {difference.figure: difference for difference in compare_models(good, bad)}
    supported = {name for name, figure in before.items() if figure.value is not None}
    assert set(found) == supported >= {"accuracy", "auc", "eer", "tar_at_far_0.01"}
    for name, difference in found.items():
        assert difference.a == before[name].value
        assert difference.b == after[name].value
        assert difference.change.value == pytest.approx(difference.b - difference.a, abs=1e-12)
        assert difference.change.low <= difference.change.value <= difference.change.high


def test_a_worse_model_is_worse_in_every_figure_also_where_lower_is_better(
    good: Embedded, bad: Embedded
) -> None:
    worse = {difference.figure: difference for difference in compare_models(good, bad)}
    better = {difference.figure: difference for difference in compare_models(bad, good)}
    for name in ("accuracy", "auc", "eer"):
        assert (worse[name].verdict, better[name].verdict) == ("worse", "better")
    assert worse["eer"].change.low > 0
    assert worse["auc"].change.high < 0


def test_what_chance_explains_is_no_difference(faces: Path, good: Embedded) -> None:
    twin = embedded(faces, GOOD._replace(backbone="another of the same skill"))
    verdicts = {each.figure: each.verdict for each in compare_models(good, twin)}
    assert verdicts["accuracy"] == verdicts["auc"] == "no difference shown"


@pytest.mark.parametrize("field", ["images", "people"])
def test_other_images_are_refused(good: Embedded, field: str) -> None:
    other = dataclasses.replace(good, **{field: list(getattr(good, field))[::-1]})
    with pytest.raises(DataError, match="images of the two models are not the same"):
        compare_models(good, other)


def test_an_image_without_a_face_counts_against_the_model(good: Embedded) -> None:
    blind = dataclasses.replace(good, found=np.arange(len(good.images)) % 6 > 0)
    found = {difference.figure: difference for difference in compare_models(good, blind)}
    assert found["auc"].verdict == "worse"


def test_runs_of_two_sweeps_are_paired_by_name(faces: Path, tmp_path: Path) -> None:
    runs = [GOOD, BAD]
    write_sweep(tmp_path / "a", faces, runs)
    write_sweep(tmp_path / "b", faces, [run._replace(noise=2.5) for run in runs])
    comparison = compare_sweeps(tmp_path / "a", tmp_path / "b")
    assert [each.run for each in comparison.compared] == [run.planned.key.name for run in runs]
    assert comparison.not_compared == ()
    for each, run in zip(comparison.compared, runs, strict=True):
        assert (each.images, each.people) == (72, 12)
        assert each.differences == compare_models(
            embedded(faces, run), embedded(faces, run._replace(noise=2.5))
        )


def test_what_cannot_be_paired_is_told_with_its_reason(faces: Path, tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    first = [Run(dim=dim) for dim in (8, 16, 32, 64)]
    write_sweep(a, faces, first)
    changed = [first[0]._replace(status="failed"), first[1]._replace(status="trained")]
    write_sweep(b, faces, [*changed, Run(dim=128), first[3]])
    comparison = compare_sweeps(a, b)
    assert [each.run for each in comparison.compared] == ["resnet18-d64-batch_hard-s0"]
    assert comparison.not_compared == (
        f"resnet18-d8-batch_hard-s0: failed in {b}",
        f"resnet18-d16-batch_hard-s0: is not finished in {b}",
        f"resnet18-d32-batch_hard-s0: is not in {b}",
        f"resnet18-d128-batch_hard-s0: is not in {a}",
    )


def test_other_photos_of_the_same_names_are_not_paired(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sweep(tmp_path / "a", faces, [GOOD])
    others = GOOD.planned.model_copy(update={"data": "other images"})
    monkeypatch.setattr(Run, "planned", property(lambda _: others))
    write_sweep(tmp_path / "b", faces, [GOOD])
    comparison = compare_sweeps(tmp_path / "a", tmp_path / "b")
    assert comparison.compared == ()
    assert "the images of data.root are not the same" in comparison.not_compared[0]


def test_a_folder_without_a_sweep_is_refused(faces: Path, tmp_path: Path) -> None:
    write_sweep(tmp_path / "a", faces, [GOOD])
    with pytest.raises(DataError, match=r"other: no sweep is here"):
        compare_sweeps(tmp_path / "a", tmp_path / "other")


def test_the_networks_of_a_sweep_are_compared_with_the_best(faces: Path, tmp_path: Path) -> None:
    runs = [BAD, GOOD, GOOD._replace(backbone="resnet50", status="trained", noise=2.5)]
    ranked = compare_with_best(tmp_path, candidates(write_sweep(tmp_path, faces, runs)[1]))
    assert [each.candidate.network.backbone for each in ranked] == [
        "resnet18",
        "resnet34",
        "resnet50",
    ]
    assert [each.is_best for each in ranked] == [True, False, False]
    assert ranked[0].differences == ranked[2].differences == ()
    assert ranked[1].differences == compare_models(embedded(faces, GOOD), embedded(faces, BAD))
    assert ranked[1].accuracy.verdict == "worse"


def test_several_seeds_are_compared_seed_by_seed(faces: Path, tmp_path: Path) -> None:
    runs = [run._replace(seed=seed) for seed in (0, 1, 2) for run in (GOOD, BAD)]
    results = write_sweep(tmp_path, faces, runs)[1]
    best, other = compare_with_best(tmp_path, candidates(results))
    changes = [
        worse.figures["accuracy"].value - good.figures["accuracy"].value
        for good, worse in zip(results[::2], results[1::2], strict=True)
    ]
    reach = 4.302653 * np.std(changes, ddof=1) / np.sqrt(3)
    change = other.accuracy.change
    assert best.differences == ()
    assert change.value == pytest.approx(np.mean(changes))
    assert (change.low, change.high) == pytest.approx(
        (np.mean(changes) - reach, np.mean(changes) + reach)
    )


def test_a_comparison_is_plain_values_for_json(faces: Path, tmp_path: Path) -> None:
    write_sweep(tmp_path, faces, [GOOD])
    plain = compare_sweeps(tmp_path, tmp_path).to_dict()
    assert plain["compared"][0]["differences"][0]["change"]["value"] == 0
