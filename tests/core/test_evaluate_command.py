"""`facenet evaluate` and `facenet calibrate`: what people type and read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from facenet.models import read_card, update_card


@pytest.fixture
def config(bundle: Path, tmp_path: Path) -> Path:
    path = tmp_path / "inference.yaml"
    path.write_text(f"checkpoint_path: {bundle}\ndevice: cpu\nstore: memory\n")
    return path


@pytest.fixture
def photos(own_faces: Path) -> Path:
    """A folder that no model was trained on."""
    return own_faces


@pytest.fixture
def people(faces: Path, tmp_path: Path) -> Path:
    """The drawn faces under LFW's names: id-000/id-000_0001.jpg."""
    root = tmp_path / "people"
    for path in faces.rglob("*.jpg"):
        copy = root / path.parent.name / f"{path.parent.name}_{int(path.stem) + 1:04}.jpg"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return root


def pairs_file(tmp_path: Path, folds: int = 1) -> Path:
    """60 pairs of each kind."""
    same = [f"id-{n % 12:03}\t{1 + n // 12}\t{1 + (1 + n // 12) % 6}" for n in range(60)]
    other = [f"id-{n % 12:03}\t{1 + n // 12}\tid-{(n + 5) % 12:03}\t2" for n in range(60)]
    each = 60 // folds
    lines = [f"{folds}\t{each}" if folds > 1 else "60"]
    for fold in range(folds):
        part = slice(fold * each, (fold + 1) * each)
        lines += [*same[part], *other[part]]
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def images_of(line: str) -> list[str]:
    """The two images of a line of a pairs file, as person/number."""
    fields = line.split("\t")
    if len(fields) == 3:
        fields = [fields[0], fields[1], fields[0], fields[2]]
    return [f"{fields[0]}/{fields[1]}", f"{fields[2]}/{fields[3]}"] if len(fields) == 4 else []


def test_pairs_through_the_whole_pipeline(facenet, config, people, tmp_path) -> None:
    arguments = ("--config", config, "--pairs", pairs_file(tmp_path), "--images", people)
    ran = facenet("evaluate", *arguments, "--json")
    assert ran.code == 0, ran.err
    result = ran.json()
    assert (result["genuine_pairs"], result["impostor_pairs"]) == (60, 60)
    for name in ("accuracy", "auc", "eer", "tar_at_far_0.1"):
        assert set(result["figures"][name]) >= {"value", "low", "high", "n"}
        assert result["figures"][name]["low"] <= result["figures"][name]["value"]
    assert result["figures"]["tar_at_far_0.01"]["value"] is None
    assert result["figures"]["tar_at_far_0.01"]["needs"] == 300
    table = " ".join(facenet("evaluate", *arguments).out.split())
    assert "60 genuine and 60 impostor pairs of 12 people" in table
    assert "chosen on the same pairs" in table
    assert "not supported: needs 300 impostor pairs" in table


def test_folds_are_used_and_named(facenet, config, people, tmp_path) -> None:
    pairs = pairs_file(tmp_path, folds=10)
    ran = facenet("evaluate", "--config", config, "--pairs", pairs, "--images", people, "--json")
    assert ran.json()["accuracy_protocol"].startswith("10 folds")


def test_a_photo_that_cannot_be_used_counts_as_not_recognised(
    facenet, config, people, tmp_path
) -> None:
    arguments = ("--config", config, "--pairs", pairs_file(tmp_path), "--images", people, "--json")
    whole = facenet("evaluate", *arguments).json()
    (people / "id-003" / "id-003_0001.jpg").write_text("no image")
    ran = facenet("evaluate", *arguments)
    assert "1 image counted as not recognised:" in ran.err
    result = ran.json()
    assert len(result["failures"]) == 1
    assert "id-003_0001.jpg" in result["failures"][0]
    assert result["genuine_pairs"] == whole["genuine_pairs"] == 60
    assert result["figures"]["auc"]["value"] < whole["figures"]["auc"]["value"]


def test_missing_images_are_listed_and_counted(facenet, config, people, tmp_path) -> None:
    shutil.rmtree(people / "id-004")
    pairs = pairs_file(tmp_path)
    ran = facenet("evaluate", "--config", config, "--pairs", pairs, "--images", people)
    assert ran.code == 2
    listed = {name for line in pairs.read_text().splitlines() for name in images_of(line)}
    missing = {name for name in listed if name.startswith("id-004/")}
    assert f"{len(missing)} of the {len(listed)} images of" in ran.err
    assert "id-004/id-004_0001" in ran.err
    assert "Traceback" not in ran.err


def test_all_pairs_of_a_folder(facenet, config, photos) -> None:
    ran = facenet("evaluate", "--config", config, "--data", photos, "--json")
    result = ran.json()
    assert result["genuine_pairs"] == 12 * 15
    assert result["impostor_pairs"] == 72 * 71 // 2 - 12 * 15
    assert result["people"] == 12


def test_searching_a_gallery(facenet, config, photos, tmp_path) -> None:
    gallery, probe = tmp_path / "gallery", tmp_path / "probe"
    for path in photos.rglob("*.jpg"):
        side = gallery if int(path.stem) % 2 else probe
        if side is gallery and path.parent.name > "id-008":
            continue  # three people are not enrolled
        (side / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, side / path.parent.name)
    arguments = ("--config", config, "--gallery", gallery, "--probe", probe)
    ran = facenet("evaluate", *arguments, "--json")
    assert ran.code == 0, ran.err
    result = ran.json()
    assert (result["gallery"], result["mated"], result["non_mated"]) == (9, 27, 9)
    assert 1 / 9 < result["figures"]["rank_1"]["value"] <= result["figures"]["rank_5"]["value"]
    assert result["figures"]["fnir_at_fpir_0.1"]["needs"] == 30
    assert "rank-1" in facenet("evaluate", *arguments).out


def test_held_out_people_and_groups(facenet, trained, tmp_path) -> None:
    attributes = tmp_path / "attributes.csv"
    names = [f"id-{number:03}" for number in range(12)]
    rows = [f"{name},{'even' if number % 2 else 'odd'},all" for number, name in enumerate(names)]
    attributes.write_text("\n".join(["identity,side,everyone", *rows]))
    ran = facenet(
        "evaluate",
        *("--config", trained / "config.yaml", "--checkpoint", trained / "bundle"),
        *("--slices", attributes, "--json"),
    )
    assert ran.code == 0, ran.err
    result = ran.json()
    assert {"auc", "rank_1", "rank_5"} <= set(result["figures"])
    groups = {(group["column"], group["group"]): group for group in result["slices"]}
    assert set(groups) == {("side", "even"), ("side", "odd"), ("everyone", "all")}
    everyone = groups["everyone", "all"]["figures"]
    assert everyone["auc"]["value"] == pytest.approx(result["figures"]["auc"]["value"])
    assert everyone["far_at_threshold"]["value"] <= 0.1
    assert sum(groups["side", side]["people"] for side in ("even", "odd")) == 4
    table = facenet(
        "evaluate",
        *("--config", trained / "config.yaml", "--checkpoint", trained / "bundle"),
        *("--slices", attributes),
    ).out
    assert "By side" in table


def test_the_report_is_one_page_with_its_figures(facenet, config, photos, tmp_path) -> None:
    output = tmp_path / "report"
    ran = facenet("evaluate", "--config", config, "--data", photos, "--output", output)
    assert ran.code == 0, ran.err
    page = (output / "index.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert {path.suffix for path in (output / "figures").iterdir()} == {".png", ".pdf"}
    assert f"report  {output / 'index.html'}" in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a --checkpoint, or data"),
        (("--pairs", "pairs.txt"), "--pairs and --images go together"),
        (("--data", "a", "--pairs", "b", "--images", "c"), "--data and --pairs exclude"),
        (("--gallery", "a"), "--gallery and --probe go together"),
        (("--gallery", "a", "--probe", "b", "--data", "c"), "--gallery and --probe exclude"),
    ],
)
def test_data_that_does_not_go_together_is_refused(facenet, arguments, message: str) -> None:
    ran = facenet("evaluate", *arguments)
    assert ran.code == 2
    assert message in ran.err


def test_one_person_cannot_be_measured(facenet, config, photos, tmp_path) -> None:
    shutil.copytree(photos / "id-000", tmp_path / "one" / "id-000")
    ran = facenet("evaluate", "--config", config, "--data", tmp_path / "one")
    assert ran.code == 2
    assert "0 impostor pairs: both kinds are needed" in ran.err


def test_calibration_is_written_used_and_named(facenet, config, bundle, photos) -> None:
    photo = photos / "id-000" / "000.jpg"
    before = facenet("verify", photo, photo, "--config", config).out
    weights = (bundle / "model.safetensors").read_bytes()
    ran = facenet("calibrate", "--config", config, "--data", photos, "--target-far", 0.05)
    assert ran.code == 0, ran.err
    assert "2,376" in ran.out
    card = json.loads((bundle / "config.json").read_text())["calibration"]
    assert (card["far"], card["impostor_pairs"], card["identities"]) == (0.05, 2376, 12)
    assert card["low"] < card["threshold"] < card["high"]
    assert len(card["fingerprint"]) == 16
    assert f"{card['threshold']:.4f}" in (bundle / "README.md").read_text()
    assert (bundle / "model.safetensors").read_bytes() == weights
    after = facenet("verify", photo, photo, "--config", config).out
    assert "calibrated: FAR 0.05 on 2,376 impostor pairs of" in after != before


def test_people_of_the_training_are_not_measured(facenet, config, bundle, faces) -> None:
    ran = facenet("calibrate", "--config", config, "--data", faces, "--target-far", 0.1)
    assert ran.code == 0, ran.err
    assert f"{faces}: the model was trained on 8 people, who are left out: 'id-0" in ran.err
    card = json.loads((bundle / "config.json").read_text())["calibration"]
    assert card["data"] == f"people held out from {faces.name}"
    assert (card["identities"], card["impostor_pairs"]) == (4, 216)
    result = facenet("evaluate", "--config", config, "--data", faces, "--json").json()
    assert (result["people"], result["data"]) == (4, card["data"])
    arguments = ("--gallery", faces, "--probe", faces, "--json")
    assert facenet("evaluate", "--config", config, *arguments).json()["gallery"] == 4


def test_listed_people_of_the_training_are_named(facenet, config, bundle, people, tmp_path) -> None:
    split = read_card(bundle).split
    digest = hashlib.sha256(os.fsencode(people.resolve())).hexdigest()
    update_card(bundle, {"split": split.model_copy(update={"folder_sha256": digest})})
    pairs = pairs_file(tmp_path)
    ran = facenet("evaluate", "--config", config, "--pairs", pairs, "--images", people, "--json")
    assert f"{pairs}: the model was trained on 8 people, whom it tells apart better" in ran.err
    assert ran.json()["people"] == 12


def test_the_calibrated_threshold_has_its_far(facenet, config, photos) -> None:
    ran = facenet("calibrate", "--config", config, "--data", photos, "--target-far", 0.05, "--json")
    threshold = ran.json()["threshold"]
    result = facenet("evaluate", "--config", config, "--data", photos, "--json").json()
    assert float(result["thresholds"]["0.1"]["value"]) < threshold
    assert float(result["thresholds"]["0.01"]["value"]) > threshold


@pytest.mark.parametrize("kind", ["logistic", "isotonic"])
def test_a_map_to_probabilities_rises(facenet, config, photos, kind: str) -> None:
    arguments = ("--config", config, "--data", photos, "--target-far", 0.1)
    ran = facenet("calibrate", *arguments, "--probability", kind, "--json")
    assert 0 <= ran.json()["probability"]["calibration_error"] < 0.5
    one, other = photos / "id-000" / "000.jpg", photos / "id-005" / "000.jpg"
    same, different = (
        facenet("verify", one, photo, "--config", config, "--json").json()["probability"]
        for photo in (one, other)
    )
    assert 0 <= different < same <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name the data"),
        (("--data", "FACES", "--target-far", "1e-5"), "FAR 1e-05 needs 300,000 impostor pairs"),
        (("--data", "nowhere"), "nowhere: no such folder"),
        (("--data", "FACES", "--target-far", "0"), "target-far"),
        (("--data", "FACES", "--checkpoint", "CHECKPOINT"), "a checkpoint keeps no threshold"),
        (("--data", "FACES", "--set", "image_size=48"), "image_size 48: is not the bundle's own"),
    ],
)
def test_a_calibration_that_cannot_be_is_refused_and_changes_nothing(
    facenet, config, bundle, photos, checkpoint, arguments, message
) -> None:
    words = {"FACES": photos, "CHECKPOINT": checkpoint}
    before = (bundle / "config.json").read_bytes()
    ran = facenet("calibrate", "--config", config, *(words.get(word, word) for word in arguments))
    assert ran.code == 2
    assert message in ran.err
    assert (bundle / "config.json").read_bytes() == before


def test_a_search_says_who_it_is_or_that_it_does_not_know(facenet, config, photos) -> None:
    config.write_text(config.read_text().replace("memory", "pgvector"))
    photo = photos / "id-000" / "000.jpg"
    facenet("enrol", "someone", photo, "--config", config)
    assert "this is someone: threshold" in facenet("search", photo, "--config", config).out
    other = facenet("search", photos / "id-007" / "000.jpg", "--config", config, "--threshold", 1)
    assert "unknown: threshold 1.0000 (given)" in other.out
    [face] = facenet("search", photo, "--config", config, "--json").json()
    assert face["identity"] == "someone"
