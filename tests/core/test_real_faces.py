"""The loop on photos of people, where they are at hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from facenet.data import scan_folder
from facenet.imaging import decode, image_files
from facenet.imaging.alignment import TEMPLATE
from facenet.plugins import Registry

YUNET = "face_detection_yunet_2023mar.onnx"


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
    weights = real_models / YUNET
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


@pytest.fixture(scope="module")
def people(lfw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty photos of four people."""
    root = tmp_path_factory.mktemp("people")
    many = [folder for folder in sorted(lfw.iterdir()) if len(list(folder.iterdir())) >= 5]
    for person in many[:4]:
        (root / person.name).mkdir()
        for photo in sorted(person.iterdir())[:5]:
            shutil.copy(photo, root / person.name)
    return root


def test_real_faces_come_to_lie_on_the_template(
    facenet, people: Path, real_models: Path, tmp_path: Path
) -> None:
    pytest.importorskip("cv2", reason="needs facenet-kit[yunet]")
    output = tmp_path / "aligned"
    yunet = ("--set", f"detector.weights={real_models / YUNET}")
    ran = facenet("align", "--data", people, "--output", output, *yunet, "--json")
    assert ran.code == 0, ran.err
    assert (ran.json()["images"], ran.json()["aligned"]) == (20, 20)
    plugin = Registry().load("detector", "yunet")
    detect = plugin.make_from({"weights": real_models / YUNET}, device="cpu")
    pixels = [decode(path) for path in image_files(output)]
    assert {face.shape for face in pixels} == {(112, 112, 3)}
    found = [faces[0].landmarks for faces in detect(pixels) if faces]
    assert len(found) >= 18
    away = np.linalg.norm(np.mean(found, axis=0) - TEMPLATE, axis=1)
    assert away.max() < 6  # pixels, of 112


def test_real_faces_are_not_aligned_twice_nor_otherwise(
    facenet, people: Path, real_models: Path, tmp_path: Path
) -> None:
    pytest.importorskip("cv2", reason="needs facenet-kit[yunet]")
    output = tmp_path / "aligned"
    yunet = ("--set", f"detector.weights={real_models / YUNET}")
    arguments = ("align", "--data", people, "--output", output, *yunet)
    assert facenet(*arguments).code == 0
    before = {path: path.stat().st_mtime_ns for path in output.glob("*/**/*.png")}
    assert "0 of 20 images aligned, 20 were already" in facenet(*arguments).out
    ran = facenet(*arguments, "--set", "detector.max_side=320")
    assert ran.code == 2
    assert "detector.max_side was 960, is 320" in ran.err
    assert {path: path.stat().st_mtime_ns for path in before} == before
