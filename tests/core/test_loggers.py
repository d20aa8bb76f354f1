"""Where the figures of a run go."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from facenet import train
from facenet.config import TrainConfig, dump_config, parse_config
from facenet.errors import ConfigError


def run(values, *overrides: str) -> Path:
    config = parse_config(values, TrainConfig, overrides=["trainer.max_epochs=1", *overrides])
    train(config)
    return config.logging.output_dir


def test_csv_and_tensorboard_hold_the_same_curve(train_values) -> None:
    output = run(train_values)
    with (output / "metrics.csv").open(newline="") as file:
        table = [(int(r["step"]), r["train_loss"]) for r in csv.DictReader(file) if r["train_loss"]]
    events = EventAccumulator(str(output / "tensorboard")).Reload().Scalars("train_loss")
    assert [(event.step, event.value) for event in events] == [
        (step, pytest.approx(float(loss))) for step, loss in table
    ]


def test_rows_come_every_n_steps(train_values) -> None:
    output = run(train_values, "logging.log_every_n_steps=2")
    with (output / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows if row["train_loss"]] == ["1", "3"]
    assert {"train_active", "train_positive_distance", "train_spread", "lr"} <= set(rows[0])


def test_any_logger_of_lightning_takes_its_arguments(train_values, tmp_path: Path) -> None:
    logger = f"{{name: CSVLogger, save_dir: {tmp_path / 'mine'}, version: one}}"
    run(train_values, f"logging.loggers=[{logger}]")
    assert (tmp_path / "mine" / "lightning_logs" / "one" / "metrics.csv").is_file()
    assert not (tmp_path / "run" / "metrics.csv").exists()


@pytest.mark.parametrize(
    ("loggers", "message"),
    [
        ("[csv, WandLogger]", r"loggers\.1: unknown logger 'WandLogger', did you mean 'WandbLog"),
        ("[{name: CSVLogger, colour: red}]", r"loggers\.0: CSVLogger refuses .*colour"),
        ("[MLFlowLogger]", r"loggers\.0: MLFlowLogger needs a library that is missing: .*mlflow"),
    ],
)
def test_a_wrong_logger_is_named_before_anything_is_written(
    train_values, loggers: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(train_values, f"logging.loggers={loggers}")
    assert not Path(train_values["logging"]["output_dir"]).exists()


def test_a_logger_is_shown_as_it_was_written(train_values) -> None:
    train_values["logging"]["loggers"] = ["csv", {"name": "CSVLogger", "save_dir": "x"}]
    dumped = dump_config(parse_config(train_values, TrainConfig))
    assert "  loggers:\n  - csv\n  - name: CSVLogger\n    save_dir: x\n" in dumped
