"""What a run writes so that it can go on: whole checkpoints, and where in the run they stand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from facenet.config import TrainConfig, plain_config
from facenet.config.train import NEUTRAL
from facenet.errors import ModelError, TrainingError
from facenet.models.checkpoint import read_content
from facenet.text import first_line
from facenet.validation import changed_keys

FOLDER, LAST = "checkpoints", "last.ckpt"
STATE_KEY = "facenet_run"
"""Where a checkpoint keeps its `RunState`, as a dictionary of plain values."""

_FREE_TO_CHANGE = (
    *NEUTRAL,
    "trainer.max_epochs",
    "trainer.accelerator",
    "trainer.strategy",
    "logging",
)
"""Keys that do not decide what is computed at a step, except the end of the cosine."""


class RunState(NamedTuple):
    """Where a run stands: the batch that comes next, how many batches and optimizer steps are
    behind it, and the configuration it was made with."""

    epoch: int
    batch: int
    batches_seen: int
    steps: int
    max_epochs: int
    config: dict[str, Any]

    @property
    def is_finished(self) -> bool:
        """Whether the run had come to the end that it was given."""
        return self.epoch >= self.max_epochs


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place and moves it there when it is whole."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Raises `TrainingError` when the disk does not take it; older checkpoints stay whole."""
        path = Path(path)
        partial = path.with_name(f".{path.name}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except (OSError, RuntimeError) as error:
            # RuntimeError: torch's archive writer hides the reason of a failed write in one.
            partial.unlink(missing_ok=True)
            reason = error.strerror if isinstance(error, OSError) else first_line(error)
            raise TrainingError(
                f"{path}: the checkpoint could not be written ({reason}); those written before are "
                "whole: make room on the disk and go on with --resume"
            ) from error


def last_checkpoint(output: Path) -> Path | None:
    """The checkpoint that a run in this folder would go on from."""
    path = output / FOLDER / LAST
    return path if path.is_file() else None


def read_state(path: Path) -> RunState:
    """The state of the run that wrote a checkpoint; raises `ModelError` when it holds none."""
    try:
        return RunState(**read_content(path)[STATE_KEY])
    except (KeyError, TypeError):
        raise ModelError(f"{path}: holds no state of a training run that could go on") from None


def refuse_another_run(config: TrainConfig, state: RunState, path: Path) -> None:
    """Raise `ModelError` when going on with this configuration would be another run."""
    if changed := changed_keys(state.config, plain_config(config), free=_FREE_TO_CHANGE):
        raise ModelError(
            f"{path}: cannot go on with another configuration: {'; '.join(changed)}. "
            "Set the former values, or start a new run in another logging.output_dir"
        )
