"""Photos of people whom nobody has named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from facenet import Recognizer
from facenet.errors import DataError, RequestError
from facenet.recognition.clusters import group

from .opening import recognizer_of


@pytest.fixture
def recognizer(trained: Path) -> Recognizer:
    return recognizer_of(trained)


def unit(*rows: tuple[float, float, float]) -> np.ndarray:
    vectors = np.array(rows, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_what_is_alike_is_one_group_and_the_rest_is_alone() -> None:
    embeddings = unit((1, 0, 0), (0, 1, 0), (1, 0.1, 0), (0, 0, 1), (0.1, 1, 0), (1, 0, 0.1))
    labels = group(embeddings, 0.8)
    assert labels[0] == labels[2] == labels[5] >= 0
    assert labels[1] == labels[4] >= 0
    assert labels[0] != labels[1]
    assert labels[3] == -1


@pytest.mark.parametrize("count", [0, 1])
def test_nobody_and_one_person_are_no_groups(count) -> None:
    assert group(np.ones((count, 4), np.float32) / 2, 0.5).tolist() == [-1] * count


def test_copies_of_photos_are_found_together(
    recognizer: Recognizer, faces: Path, tmp_path: Path
) -> None:
    for identity in ("id-000", "id-001"):
        for copy in range(3):
            shutil.copy(faces / identity / "000.jpg", tmp_path / f"{identity}-{copy}.jpg")
    (tmp_path / "broken.jpg").write_text("no image")
    found = recognizer.cluster(tmp_path, threshold=0.9999)
    names = sorted(sorted({face.source.name[:6] for face in group}) for group in found.groups)
    assert names == [["id-000"], ["id-001"]]
    assert [len(group) for group in found.groups] == [3, 3]
    assert found.alone == ()
    assert len(found.failures) == 1
    assert repr(found) == "Clusters(2 groups of 3, 3 faces, 0 alone)"
    assert found.to_dict()["groups"][0][0]["face"]["score"] == 1


def test_a_missing_folder_is_named(recognizer: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        recognizer.cluster(tmp_path / "none")


def test_no_threshold_is_invented(trained: Path, checkpoint: Path, faces: Path) -> None:
    with pytest.raises(RequestError, match="has no calibrated threshold"):
        recognizer_of(trained, checkpoint_path=str(checkpoint)).cluster(faces)
