"""Models that were trained on aligned faces know of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from facenet import Recognizer, train
from facenet.aligning import align_folder
from facenet.config import InferenceConfig, TrainConfig, parse_config
from facenet.errors import ModelError
from facenet.models import read_card
from facenet.recognition import embed_identities
from facenet.training import evaluate


@pytest.fixture(scope="module")
def aligned(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces, taken for ones that were aligned by five points elsewhere."""
    output = tmp_path_factory.mktemp("taken-over") / "aligned"
    values = {"checkpoint_path": "none", "detector": "whole_image", "device": "cpu"}
    align_folder(faces, output, parse_config(values, InferenceConfig), size=48)
    return output


def training_on(root: Path, output: Path, epochs: int = 1) -> TrainConfig:
    """A training run of one step in each epoch."""
    values = {
        "data": {
            "root": str(root),
            "image_size": 32,
            "classes_per_batch": 4,
            "samples_per_class": 3,
            "num_workers": 0,
            "val_split": 0.34,
        },
        "model": {"backbone": "resnet18", "embedding_dim": 16},
        "trainer": {
            "max_epochs": epochs,
            "limit_train_batches": 1,
            "accelerator": "cpu",
            "enable_progress_bar": False,
        },
        "logging": {"output_dir": str(output)},
    }
    return parse_config(values, TrainConfig)


@pytest.fixture(scope="module")
def trained_on_aligned(aligned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained-on-aligned")
    train(training_on(aligned, output))
    return output


def test_a_model_trained_on_aligned_faces_says_so(trained_on_aligned: Path) -> None:
    assert read_card(trained_on_aligned / "bundle").preprocessing.alignment == "five-point"


def test_whole_photos_are_warned_of_unless_their_folder_is_aligned(
    trained_on_aligned: Path, aligned: Path, faces: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = {"checkpoint_path": str(trained_on_aligned / "bundle"), "store": "memory"}
    for root, warnings in ((aligned, 0), (faces, 1)):
        caplog.clear()
        with Recognizer.from_config(parse_config(values, InferenceConfig)) as recognizer:
            embed_identities(recognizer, root)
        assert sum("is five-point-aligned already" in line for line in caplog.messages) == warnings


def test_a_model_of_aligned_faces_is_not_measured_on_others(
    trained_on_aligned: Path, aligned: Path, faces: Path, tmp_path: Path
) -> None:
    bundle = trained_on_aligned / "bundle"
    assert evaluate(training_on(aligned, tmp_path), bundle).samples
    with pytest.raises(ModelError, match=r"wants faces of alignment five-point, .* none"):
        evaluate(training_on(faces, tmp_path), bundle)


def test_a_run_on_aligned_faces_does_not_go_on_with_others(
    trained_on_aligned: Path, faces: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(trained_on_aligned, tmp_path / "run")
    with pytest.raises(ModelError, match=r"alignment of data.root was five-point, .* is none"):
        train(training_on(faces, run, epochs=2), existing="resume")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "is not JSON"),
        ("[]", "must be"),
        ('{"alignment": "round"}', "alignment: must be 'none', 'square' or 'five-point'"),
        ("\xff", "is not JSON"),
    ],
)
def test_training_refuses_a_damaged_record(
    facenet, train_values: dict[str, Any], aligned: Path, tmp_path: Path, content: str, problem: str
) -> None:
    root = shutil.copytree(aligned, tmp_path / "aligned")
    (root / "alignment.json").write_text(content, encoding="latin-1")
    config = tmp_path / "train.yaml"
    config.write_text(json.dumps(train_values))
    ran = facenet("train", "--config", config, "--set", f"data.root={root}")
    assert ran.code == 2
    [line] = [line for line in ran.err.splitlines() if line.startswith("facenet: ")]
    assert "alignment.json" in line
    assert problem in line
    assert line.endswith("bring back the file that `facenet align` wrote, or align anew")
    assert not (tmp_path / "run").exists()
