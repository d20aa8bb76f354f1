"""The loop on photos of people, where they are at hand."""

from __future__ import annotations

from pathlib import Path

from facenet.data import scan_folder


def test_the_demo_recognises_people_of_orl(facenet, orl: Path, tmp_path: Path) -> None:
    ran = facenet("demo", "--data", orl, "--output", tmp_path, "--epochs", 6, "--json")
    assert ran.code == 0, ran.err
    result = ran.json()
    assert result["figures"]["auc"]["value"] > 0.8
    assert result["searches"]["rank_1"] > 0.5  # chance among 10 people: 0.1


def test_a_foreign_network_is_measured_on_pairs_of_lfw(
    facenet, foreign_network: Path, lfw: Path, tmp_path: Path
) -> None:
    """Every tenth pair, through the whole pipeline, with the centre square of each photo."""
    header, *lines = (lfw.parent / "pairsDevTrain.txt").read_text().splitlines()
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("\n".join([str(int(header) // 10), *lines[::10]]))
    bundle, report = tmp_path / "bundle", tmp_path / "report"
    ran = facenet(
        *("bundle", "import", foreign_network, "--output", bundle, "--image-size", 112),
        *("--color", "rgb", "--mean", 127.5, "--std", 127.5, "--alignment", "none"),
        *("--license", "LicenseRef-unknown"),
    )
    assert ran.code == 0, ran.err
    config = tmp_path / "inference.yaml"
    config.write_text(f"checkpoint_path: {bundle}\ndevice: cpu\nstore: memory\n")
    ran = facenet(
        *("evaluate", "--config", config, "--pairs", pairs, "--images", lfw),
        *("--output", report, "--json"),
    )
    assert ran.code == 0, ran.err
    result = ran.json()
    assert (result["genuine_pairs"], result["impostor_pairs"]) == (110, 110)
    assert result["figures"]["auc"]["low"] > 0.75  # chance: 0.5; with a detector it is near 1
    assert (report / "index.html").is_file()


def test_lfw_is_read_with_its_imbalance(lfw: Path) -> None:
    folder = scan_folder(lfw, min_images=2)
    assert (len(folder.identities), len(folder.samples)) == (1184, 6671)
    assert folder.unreadable == ()
