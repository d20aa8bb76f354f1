"""How far a training run is, how fast, and how well it goes: as one line, or told to a program."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from facenet.training.step import StepFigures


class TrainingProgress(Callback):
    """A bar over all batches of the run, with images/s, loss, share of active triplets, AUC."""

    def __init__(self, images_per_batch: int) -> None:
        self._images_per_batch = images_per_batch
        self._progress: Progress | None = None

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=8),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
        )
        epochs, length = trainer.max_epochs or 1, int(trainer.num_training_batches)
        behind = trainer.fit_loop.epoch_loop.batch_progress.current.ready % length
        self._begun, self._batches = time.monotonic(), 0
        self._task = self._progress.add_task(
            "training",
            total=length * epochs,
            completed=trainer.current_epoch * length + behind,
            epoch=trainer.current_epoch + 1,
            epochs=epochs,
            figures="",
        )
        self._progress.start()

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        if self._progress is None:
            return
        self._batches += 1
        images = self._batches * self._images_per_batch * trainer.world_size
        speed = images / (time.monotonic() - self._begun)
        figures = [f"{speed:.0f} img/s"]
        if isinstance(module.figures, StepFigures):
            figures += [f"loss {module.figures.loss:.3f}", f"active {module.figures.active:.0%}"]
        if "val_auc" in trainer.callback_metrics:
            figures.append(f"AUC {float(trainer.callback_metrics['val_auc']):.3f}")
        self._progress.update(
            self._task,
            advance=1,
            epoch=trainer.current_epoch + 1,
            figures=" ".join(figures),
        )

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._paused = time.monotonic()

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if self._progress is not None:
            self._begun += time.monotonic() - self._paused

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        self._stop()

    def on_exception(
        self, trainer: Trainer, module: LightningModule, exception: BaseException
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class Watched(NamedTuple):
    """How far a run is: optimizer steps done and in all, the epoch it is in and how many there
    are, and the accuracy of the last validation, None before the first."""

    steps: int
    total_steps: int
    epoch: int
    epochs: int
    accuracy: float | None


class Watch(Callback):
    """Tells a function after every step how far a run is."""

    def __init__(self, tell: Callable[[Watched], None]) -> None:
        self._tell = tell

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        self._tell_of(trainer)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        self._tell_of(trainer)

    def _tell_of(self, trainer: Trainer) -> None:
        accuracy = trainer.callback_metrics.get("val_accuracy")
        epochs = trainer.max_epochs or 1
        self._tell(
            Watched(
                trainer.global_step,
                int(trainer.estimated_stepping_batches),
                min(trainer.current_epoch + 1, epochs),
                epochs,
                None if accuracy is None else float(accuracy),
            )
        )
