"""One line that says how far a training run is."""

from __future__ import annotations

from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)


class TrainingProgress(ProgressBar):
    """A bar over all steps of the run, with the figures that Lightning is told to show."""

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
        )
        total = int(trainer.num_training_batches) * (trainer.max_epochs or 1)
        self._task = self._progress.add_task("training", total=total, figures="")
        self._progress.start()

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        if self._progress is None:
            return
        figures = "  ".join(
            f"{name.removeprefix('train_')} {value:.3f}"
            for name, value in self.get_metrics(trainer, module).items()
            if isinstance(value, float)
        )
        self._progress.update(self._task, advance=1, figures=figures)

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
