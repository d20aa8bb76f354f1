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


def test_lfw_is_read_with_its_imbalance(lfw: Path) -> None:
    folder = scan_folder(lfw, min_images=2)
    assert (len(folder.identities), len(folder.samples)) == (1184, 6671)
    assert folder.unreadable == ()
