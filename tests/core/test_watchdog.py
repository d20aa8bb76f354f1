"""What is said about a run that learns nothing."""

from __future__ import annotations

import logging
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from facenet import train
from facenet.config import TrainConfig, parse_config
from facenet.drawn_faces import write_faces
from facenet.errors import TrainingError
from facenet.training.step import StepFigures
from facenet.training.watchdog import PATIENCE, Watchdog

HEALTHY = StepFigures(0.3, 0.9, positive_distance=0.5, negative_distance=0.6, spread=0.98)


class Module(NamedTuple):
    """What the watchdog sees of the training module."""

    figures: StepFigures


class Trainer(NamedTuple):
    """What the watchdog sees of the trainer."""

    callback_metrics: dict[str, float]
    global_step: int = PATIENCE
    is_global_zero: bool = True


def watch(
    values: dict[str, Any], figures: list[StepFigures], *overrides: str, auc: float = 0.5
) -> None:
    """Let a watchdog see these figures, one at each step."""
    config = parse_config(values, TrainConfig, overrides=overrides)
    assert config.watchdog
    watchdog = Watchdog(config, config.watchdog)
    for each in figures:
        watchdog.on_train_batch_end(Trainer({"val_auc": auc}), Module(each))


def repeated(figures: StepFigures, times: int = PATIENCE, **changes: float) -> list[StepFigures]:
    """Equal but distinct figures, as a run gives them."""
    return [StepFigures(**(figures._asdict() | changes)) for _ in range(times)]


@pytest.mark.parametrize(
    ("changes", "overrides", "advice"),
    [
        ({"spread": 0.001}, (), "collapsed to a point: lower optimizer.lr"),
        ({"loss": 0.2}, (), "the loss stays at the margin, 0.2"),
        ({"loss": math.log(2)}, ("model.margin=soft",), "the loss stays at ln 2, 0.693"),
        ({"active": 0.0}, (), "almost no triplet is active.*batch_hard"),
    ],
)
def test_a_lasting_sign_gives_one_warning_with_advice(
    train_values, caplog: pytest.LogCaptureFixture, changes, overrides, advice: str
) -> None:
    with caplog.at_level(logging.WARNING):
        watch(train_values, repeated(HEALTHY, 3 * PATIENCE, **changes), *overrides)
    (record,) = caplog.records
    assert re.search(advice, record.getMessage())
    assert f"step {PATIENCE}" in record.getMessage()


@pytest.mark.parametrize(
    ("figures", "auc"),
    [
        (repeated(HEALTHY, 3 * PATIENCE), 0.5),
        (repeated(HEALTHY, PATIENCE - 1, spread=0.0), 0.5),
        (repeated(HEALTHY, PATIENCE - 1, active=0.0) + repeated(HEALTHY), 0.5),
        # The loss passes the margin on its way down; what it has learned tells the difference.
        (repeated(HEALTHY, loss=0.2), 0.8),
    ],
)
def test_a_run_that_learns_is_left_alone(
    train_values, caplog: pytest.LogCaptureFixture, figures, auc
) -> None:
    with caplog.at_level(logging.WARNING):
        watch(train_values, figures, auc=auc)
    assert not caplog.records


def test_it_stops_where_it_was_asked_to(train_values) -> None:
    with pytest.raises(TrainingError, match=r"stopped by the watchdog: .* variance 0\.000; step"):
        watch(train_values, repeated(HEALTHY, spread=0.0), "watchdog=stop")


def test_a_real_run_that_collapses_is_stopped(
    train_values, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("facenet.training.watchdog.PATIENCE", 4)
    write_faces(tmp_path / "one", identities=1, samples=1, size=48)
    (picture,) = (tmp_path / "one").rglob("*.jpg")
    for identity in range(6):
        folder = tmp_path / "same" / f"id-{identity}"
        folder.mkdir(parents=True)
        for number in range(4):
            (folder / f"{number}.jpg").write_bytes(picture.read_bytes())
    train_values["data"] |= {"root": str(tmp_path / "same"), "augmentations": []}
    config = parse_config(
        train_values, TrainConfig, overrides=["watchdog=stop", "trainer.max_epochs=6"]
    )
    with pytest.raises(TrainingError, match=r"collapsed .* one picture many times"):
        train(config)
