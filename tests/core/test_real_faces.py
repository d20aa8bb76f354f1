"""The loop on photos of people, where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from facenet.data import scan_folder


def test_the_demo_recognises_people_of_orl(facenet, orl: Path, tmp_path: Path) -> None:
    ran = facenet("demo", "--data", orl, "--output", tmp_path, "--epochs", 6, "--json")
    assert ran.code == 0, ran.err
    result = ran.json()
    assert result["figures"]["auc"]["value"] > 0.8
    assert result["searches"]["rank_1"] > 0.5  # chance among 10 people: 0.1


@pytest.fixture(scope="module")
def tenth_of_pairs(lfw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every tenth pair of LFW's development-train list."""
    header, *lines = (lfw.parent / "pairsDevTrain.txt").read_text().splitlines()
    pairs = tmp_path_factory.mktemp("pairs") / "pairs.txt"
    pairs.write_text("\n".join([str(int(header) // 10), *lines[::10]]))
    return pairs


def test_photos_become_decisions_as_good_as_the_networks_own(
    facenet, aligned_bundle: Path, real_models: Path, tenth_of_pairs: Path, lfw: Path, tmp_path
) -> None:
    """Detector, alignment, colours and choice of the face: a fault in any of them shows here."""
    report, config = tmp_path / "report", tmp_path / "inference.yaml"
    weights = real_models / "face_detection_yunet_2023mar.onnx"
    config.write_text(
        f"checkpoint_path: {aligned_bundle}\ndevice: cpu\nstore: memory\n"
        f"detector: {{plugin: yunet, weights: {weights}}}\n"
    )
    ran = facenet(
        *("evaluate", "--config", config, "--pairs", tenth_of_pairs, "--images", lfw),
        *("--output", report, "--json"),
    )
    assert ran.code == 0, ran.err
    result = ran.json()
    assert (result["genuine_pairs"], result["impostor_pairs"]) == (110, 110)
    assert result["failures"] == []
    # All pairs gave 0.997; without alignment, of the centre square, 0.84.
    assert result["figures"]["accuracy"]["value"] > 0.98
    assert (report / "index.html").is_file()


def test_lfw_is_read_with_its_imbalance(lfw: Path) -> None:
    folder = scan_folder(lfw, min_images=2)
    assert (len(folder.identities), len(folder.samples)) == (1184, 6671)
    assert folder.unreadable == ()
