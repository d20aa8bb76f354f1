"""Training runs, from configuration to bundle."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facenet import evaluate, train
from facenet.config import TrainConfig, load_config, parse_config
from facenet.errors import ConfigError, DataError, DeviceError, ModelError, TrainingError
from facenet.models import load_model


def run(values: dict[str, Any], *overrides: str):
    config = parse_config(values, TrainConfig, overrides=overrides)
    return train(config, existing="replace")


def curve(values: dict[str, Any], column: str = "train_loss") -> list[float]:
    path = Path(values["logging"]["output_dir"]) / "metrics.csv"
    with path.open(newline="") as file:
        return [float(row[column]) for row in csv.DictReader(file) if row.get(column)]


def test_a_run_leaves_its_artifacts(trained: Path) -> None:
    assert {"config.yaml", "metrics.csv", "checkpoints", "bundle"} <= {
        path.name for path in trained.iterdir()
    }
    assert load_config(trained / "config.yaml", TrainConfig).model.embedding_dim == 16
    names = sorted(path.name for path in (trained / "checkpoints").iterdir())
    assert names[-1] == "last.ckpt"
    assert len(names) == 2


def test_the_bundle_carries_a_threshold_and_where_it_comes_from(trained: Path, faces: Path) -> None:
    calibration = load_model(trained / "bundle").card.calibration
    assert calibration.far == 0.1
    assert calibration.impostor_pairs == 216
    assert str(calibration) == f"FAR 0.1 on 216 impostor pairs of people held out from {faces.name}"
    assert calibration.low < calibration.threshold < calibration.high
    assert str(faces.parent) not in (trained / "bundle" / "config.json").read_text()


def test_evaluate_repeats_the_figures_of_the_run(trained: Path) -> None:
    config = load_config(trained / "config.yaml", TrainConfig)
    measured = evaluate(config, trained / "bundle")
    assert measured.figures == load_model(trained / "bundle").card.metrics
    assert measured.verification.genuine_pairs == 4 * 15


def test_the_loss_falls_on_images_it_can_learn_by_heart(train_values) -> None:
    train_values["data"]["augmentations"] = []
    run(train_values, "trainer.max_epochs=12")
    losses = curve(train_values)
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_the_same_seed_gives_the_same_curve(train_values, tmp_path: Path) -> None:
    run(train_values)
    first = curve(train_values)
    train_values["logging"]["output_dir"] = str(tmp_path / "again")
    run(train_values)
    assert curve(train_values) == pytest.approx(first, abs=1e-6)
    run(train_values, "seed=1")
    assert curve(train_values) != pytest.approx(first, abs=1e-6)


def test_a_frozen_backbone_keeps_its_weights_and_statistics(train_values) -> None:
    first, second = (
        load_model(
            run(train_values, "model.train_backbone=false", f"trainer.max_epochs={epochs}").bundle
        ).network.state_dict()
        for epochs in (1, 2)
    )
    for name, tensor in first.items():
        if name.startswith("backbone."):
            assert torch.equal(tensor, second[name]), name


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_every_optimizer_trains(train_values, optimizer: str) -> None:
    run(train_values, f"optimizer.name={optimizer}", "trainer.max_epochs=1")
    assert np.isfinite(curve(train_values)).all()


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ("null", [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("{name: null, warmup_steps: 2}", [0.01, 0.505, 1.0, 1.0, 1.0, 1.0]),
        (
            "{name: multistep, warmup_steps: 0, milestones: [2, 4], gamma: 0.1}",
            [1.0, 1.0, 0.1, 0.1, 0.01, 0.01],
        ),
        ("{name: cosine, warmup_steps: 0, t_max: 4}", [1.0, 0.853553, 0.5, 0.146447, 0.0, 0.0]),
    ],
)
def test_every_scheduler_gives_its_factors(train_values, scheduler: str, expected) -> None:
    from facenet.training.module import TripletModule

    config = parse_config(train_values, TrainConfig, overrides=[f"scheduler={scheduler}"])
    module = TripletModule(config)
    module.trainer = type("Trainer", (), {"estimated_stepping_batches": 6})()
    scheduling = module.configure_optimizers()
    seen = []
    for _ in expected:
        seen.append(scheduling["optimizer"].param_groups[0]["lr"] / config.optimizer.lr)
        scheduling["optimizer"].step()
        scheduling["lr_scheduler"]["scheduler"].step()
    assert seen == pytest.approx(expected, abs=1e-5)


def test_checkpoints_come_at_their_interval_and_the_best_stay(train_values) -> None:
    run(
        train_values,
        "trainer.max_epochs=4",
        "logging.checkpoint_interval=2",
        "logging.checkpoint_top_k=2",
    )
    folder = Path(train_values["logging"]["output_dir"]) / "checkpoints"
    epochs = {path.name.partition("-")[0] for path in folder.glob("epoch*")}
    assert epochs == {"epoch001", "epoch003"}


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("data.root=/nowhere", DataError, "/nowhere: no such folder"),
        ("data.classes_per_batch=9", DataError, "8 training identities are fewer"),
        ("data.min_images_per_class=7", DataError, "no identity has 7 readable images"),
        ("model.backbone=resnet81", ConfigError, r"unknown backbone 'resnet81', did you mean"),
        ("model.backbone=alexnet", ConfigError, "alexnet cannot work at image_size 32"),
        ("miner=batch_hrd", ConfigError, "unknown miner 'batch_hrd', did you mean 'batch_hard'"),
        pytest.param(
            "trainer.accelerator=cuda",
            DeviceError,
            "trainer: ",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here"),
        ),
    ],
)
def test_a_wrong_request_writes_nothing(train_values, override, error, message) -> None:
    with pytest.raises(error, match=message):
        run(train_values, override)
    assert not Path(train_values["logging"]["output_dir"]).exists()


@pytest.mark.parametrize("override", ["seed=5", "data.val_split=0.9"])
def test_evaluating_identities_that_were_trained_on_is_refused(trained: Path, override) -> None:
    config = load_config(trained / "config.yaml", TrainConfig, overrides=[override])
    for model in (trained / "bundle", trained / "checkpoints" / "last.ckpt"):
        with pytest.raises(ModelError, match=r"another split .* set seed=0, data.val_split=0.34"):
            evaluate(config, model)


def test_evaluating_on_other_data_is_allowed(trained: Path, faces: Path, tmp_path: Path) -> None:
    shutil.copytree(faces, tmp_path / "other")
    overrides = [f"data.root={tmp_path / 'other'}", "seed=5"]
    config = load_config(trained / "config.yaml", TrainConfig, overrides=overrides)
    assert evaluate(config, trained / "bundle").verification.genuine_pairs == 60


def test_divergence_is_said_to_be_one(train_values) -> None:
    with pytest.raises(
        TrainingError, match=r"loss of step 1 .* at learning rate 1e\+30; lower optimizer"
    ):
        run(train_values, "optimizer.lr=1e30", "scheduler=null")


def test_a_validation_without_both_kinds_of_pairs_says_what_to_raise(train_values) -> None:
    with pytest.raises(DataError, match=r"validation on .* both kinds .*limit_val_batches"):
        run(
            train_values,
            "trainer.limit_val_batches=1",
            "data.classes_per_batch=2",
            "data.samples_per_class=2",
        )


def test_an_interval_that_keeps_no_checkpoint_is_refused_at_load(train_values) -> None:
    with pytest.raises(
        ConfigError, match=r"checkpoint_interval: is 3, more than trainer\.max_epochs"
    ):
        run(train_values, "logging.checkpoint_interval=3")


def test_last_is_the_last_run(train_values) -> None:
    for seed in (0, 1):
        result = run(train_values, f"seed={seed}", "trainer.max_epochs=1")
    names = [path.name for path in result.checkpoint.parent.glob("last*")]
    assert names == ["last.ckpt"]
    last, best = (
        load_model(path).card.space
        for path in (result.checkpoint.parent / "last.ckpt", result.checkpoint)
    )
    assert last == best


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.backbone=resnet34", "is a torchvision/resnet18, but model.backbone .* resnet34"),
        ("model.embedding_dim=32", "embedding_dim is 16, but the configuration says 32"),
    ],
)
def test_evaluating_another_architecture_is_refused(trained: Path, override, message) -> None:
    config = load_config(trained / "config.yaml", TrainConfig, overrides=[override])
    with pytest.raises(ModelError, match=message):
        evaluate(config, trained / "bundle")
