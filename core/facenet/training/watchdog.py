"""Looks at the figures of a run and says when it learns nothing, why, and what would help."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Iterator
from typing import Any, Literal

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from facenet.config import TrainConfig
from facenet.errors import TrainingError
from facenet.training.step import StepFigures

logger = logging.getLogger(__name__)

PATIENCE = 100
"""Optimizer steps over which a sign must hold."""
COLLAPSED_SPREAD = 0.02
"""Embedding variance below which all faces are nearly one point."""
NEAR_MARGIN = 0.02
"""Share of the margin (of ln 2 for the soft margin) within which the loss stands still."""
CHANCE_AUC = 0.6
"""A validation AUC below this is little better than guessing, which gives 0.5."""
IDLE_SHARE = 0.01
"""Share of active triplets below which there is nothing left to learn from."""


class Watchdog(Callback):
    """Warns once for each sign of trouble, or stops the run with the advice as its error."""

    def __init__(self, config: TrainConfig, action: Literal["warn", "stop"]) -> None:
        self._config = config
        self._action = action
        looks = max(1, math.ceil(PATIENCE / config.logging.log_every_n_steps))
        self._seen: deque[StepFigures] = deque(maxlen=looks)
        self._said: set[str] = set()

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        """Look at the module's latest figures, once at each."""
        figures = module.figures
        if not isinstance(figures, StepFigures) or (self._seen and self._seen[-1] is figures):
            return
        self._seen.append(figures)
        if len(self._seen) < (self._seen.maxlen or 0):
            return
        auc = float(trainer.callback_metrics.get("val_auc", math.nan))
        for sign, advice in self._signs(auc):
            self._say(sign, f"{advice} ({self._seen[-1]}; step {trainer.global_step})", trainer)

    def _signs(self, auc: float) -> Iterator[tuple[str, str]]:
        margin = self._config.model.margin
        level, name = (math.log(2), "ln 2") if margin == "soft" else (margin, "the margin")
        if all(each.spread < COLLAPSED_SPREAD for each in self._seen):
            yield (
                "collapsed",
                "the embeddings have collapsed to a point: lower optimizer.lr, raise "
                "scheduler.warmup_steps, or set miner: batch_semi_hard until the run has found "
                "its feet; check that data.root does not hold one picture many times",
            )
        elif not auc > CHANCE_AUC and all(
            abs(each.loss - level) < NEAR_MARGIN * level for each in self._seen
        ):
            yield (
                "at the margin",
                f"the loss stays at {name}, {level:g}, as if all faces looked alike: lower "
                "optimizer.lr, raise scheduler.warmup_steps, or set miner: batch_semi_hard or "
                "curriculum",
            )
        if all(each.active < IDLE_SHARE for each in self._seen):
            yield (
                "idle",
                "almost no triplet is active, so that nothing is left to learn from: set miner: "
                "batch_hard, raise model.margin or data.classes_per_batch, or add augmentations",
            )

    def _say(self, sign: str, advice: str, trainer: Trainer) -> None:
        if self._action == "stop":
            raise TrainingError(f"stopped by the watchdog: {advice}")
        if sign not in self._said and trainer.is_global_zero:
            self._said.add(sign)
            logger.warning("watchdog: %s", advice)
