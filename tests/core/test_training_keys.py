"""Each key of the training configuration does what the reference says."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch

from facenet import train
from facenet.config import TrainConfig, parse_config
from facenet.errors import ConfigError, DataError
from facenet.models import load_model


def run(values: dict[str, Any], *overrides: str) -> Path:
    config = parse_config(values, TrainConfig, overrides=["trainer.max_epochs=1", *overrides])
    train(config, existing="replace")
    return config.logging.output_dir


def column(output: Path, name: str) -> list[float]:
    with (output / "metrics.csv").open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name]]


def weights(output: Path) -> torch.Tensor:
    network = load_model(output / "checkpoints" / "last.ckpt").network
    return torch.cat([parameter.flatten() for parameter in network.parameters()])


@pytest.mark.parametrize(
    ("overrides", "steps"),
    [
        ((), 4),
        (("trainer.limit_train_batches=3",), 3),
        (("trainer.limit_train_batches=0.5",), 2),
        (("trainer.accumulate_grad_batches=2",), 2),
        (("trainer.accumulate_grad_batches=3",), 2),
    ],
)
def test_an_epoch_has_its_optimizer_steps(train_values, overrides, steps: int) -> None:
    assert len(column(run(train_values, *overrides), "train_loss")) == steps


def test_a_clipped_gradient_moves_the_weights_no_further(train_values) -> None:
    """One step of plain gradient descent is as long as the learning rate times the gradient."""
    plain = [
        *("optimizer.name=sgd", "optimizer.momentum=0", "optimizer.weight_decay=0"),
        *("optimizer.lr=1", "scheduler=null"),
    ]
    two = [*plain, "trainer.limit_train_batches=2", "trainer.gradient_clip_val=0.001"]
    one = [*plain, "trainer.limit_train_batches=1", "trainer.gradient_clip_val=0.001"]
    first, second = weights(run(train_values, *one)), weights(run(train_values, *two))
    assert 0 < (second - first).norm() <= 0.001 * 1.01


@pytest.mark.parametrize(
    ("monitor", "mode", "best"), [("val_eer", "min", min), ("val_auc", "max", max)]
)
def test_the_best_checkpoint_is_best_by_the_monitored_figure(
    train_values, monitor: str, mode: str, best: Any
) -> None:
    output = run(
        train_values,
        f"logging.monitor={monitor}",
        f"logging.mode={mode}",
        "trainer.max_epochs=4",
    )
    (checkpoint,) = (output / "checkpoints").glob("epoch*.ckpt")
    figures = column(output, monitor)
    epoch, value = checkpoint.stem.removeprefix("epoch").split("-")
    assert float(value) == pytest.approx(best(figures), abs=1e-4)
    assert figures[int(epoch)] == best(figures)


def test_a_mode_that_keeps_the_worst_is_refused(train_values) -> None:
    with pytest.raises(ConfigError, match=r"logging.mode: is 'min', but the best val_auc is its m"):
        run(train_values, "logging.mode=min")


def test_fewer_validation_batches_are_measured(train_values) -> None:
    small = "data.classes_per_batch=2", "data.samples_per_class=3"
    whole = column(run(train_values, *small), "val_auc")
    assert column(run(train_values, *small, "trainer.limit_val_batches=3"), "val_auc") != whole


def test_only_repeatable_algorithms_are_used_where_asked_and_no_longer(
    train_values, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(
        torch.optim.AdamW,
        "step",
        lambda *a, **k: (seen.append(torch.are_deterministic_algorithms_enabled()), step(*a, **k))[
            1
        ],
    )
    first = column(run(train_values, "trainer.deterministic=true"), "train_loss")
    assert seen == [True] * 4
    assert not torch.are_deterministic_algorithms_enabled()
    assert column(run(train_values, "trainer.deterministic=true"), "train_loss") == first


def test_curves_do_not_depend_on_how_many_processes_decode(train_values) -> None:
    curves = [
        column(run(train_values, f"data.num_workers={workers}"), "train_loss") for workers in (0, 2)
    ]
    assert curves[0] == curves[1]


@pytest.mark.parametrize("precision", ["uint8", "float16", "float32"])
def test_the_cache_changes_no_figure(train_values, precision: str, tmp_path: Path) -> None:
    """Up to rounding where pixels are kept as float16."""
    train_values["data"]["precision"] = precision
    without = run(train_values)
    figures = column(without, "train_loss") + column(without, "val_auc")
    cached = run(train_values, "data.cache_dataset=true")
    assert column(cached, "train_loss") + column(cached, "val_auc") == pytest.approx(
        figures, abs=1e-5
    )


def test_too_few_identities_for_all_processes_leave_a_former_run_alone(train_values) -> None:
    output = run(train_values)
    before = sorted(output.rglob("*.ckpt"))
    with pytest.raises(DataError, match="classes_per_batch"):
        run(train_values, "trainer.devices=3")
    assert sorted(output.rglob("*.ckpt")) == before
