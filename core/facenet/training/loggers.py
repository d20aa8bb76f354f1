"""Where the figures of a run go: metrics.csv, TensorBoard, or any of Lightning's loggers."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lightning.pytorch import loggers as known
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from facenet.config.train import LoggerConfig, LoggingConfig
from facenet.errors import ConfigError
from facenet.text import did_you_mean

METRICS = "metrics.csv"


def make_loggers(config: LoggingConfig, *, from_step: int) -> list[Logger]:
    """All loggers of a run; figures of a former part of it, before `from_step`, are kept.

    Raises `ConfigError` for a logger that Lightning does not have, that does not take its
    arguments, or whose library is missing.
    """
    return [
        _make(f"logging.loggers.{index}", logger, config, from_step)
        for index, logger in enumerate(config.loggers)
    ]


def _make(key: str, logger: LoggerConfig, config: LoggingConfig, from_step: int) -> Logger:
    name, arguments = logger.name, dict(logger.model_extra or {})
    offered = sorted(set(known.__all__) - {"Logger"})
    try:
        if name == "csv":
            return MetricsFile(config.output_dir, config.log_every_n_steps, from_step, **arguments)
        if name == "tensorboard":
            place = {"save_dir": config.output_dir, "name": "tensorboard", "version": ""}
            arguments = {**place, "purge_step": from_step or None, **arguments}
            return TensorBoardLogger(**arguments)
        if name not in offered:
            choices = ["csv", "tensorboard", *offered]
            raise ConfigError(
                f"{key}: unknown logger {name!r}{did_you_mean(name, choices)} "
                f"(known: {', '.join(choices)})"
            )
        made: Logger = getattr(known, name)(**arguments)
        return made
    except ModuleNotFoundError as error:
        # Lightning names a missing library in the first words of its message.
        raise ConfigError(f"{key}: {name} needs a library that is missing: {error}") from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{key}: {name} refuses its arguments: {error}") from error


class MetricsFile(CSVLogger):
    """metrics.csv in the folder of the run; a run that goes on appends to what it had."""

    def __init__(self, folder: Path, flush_every: int, from_step: int) -> None:
        super().__init__(folder, name="", version="", flush_logs_every_n_steps=flush_every)
        self._former = _rows_before(folder / METRICS, from_step)

    @property
    def experiment(self) -> Any:
        """Lightning's writer; it begins a new file, so that the former rows are written again."""
        begun = self._experiment is not None
        writer = super().experiment
        if not begun and self._former:
            for row in self._former:
                writer.log_metrics({key: value for key, value in row.items() if value}, row["step"])
            writer.save()
        return writer


def _rows_before(path: Path, step: int) -> list[dict[str, str]]:
    if step == 0 or not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if int(row["step"]) < step]
