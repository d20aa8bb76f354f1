"""Ctrl-C and SIGTERM: finish the step, save it, leave."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import ExitStack
from types import FrameType
from typing import Any, Self, cast

from lightning import Callback, LightningModule, Trainer

from facenet.signals import handled
from facenet.training.checkpoints import FOLDER, LAST
from facenet.training.module import TripletModule

ASKED_EVERY = 10
"""Optimizer steps between two questions to the other processes, besides one in each epoch."""

logger = logging.getLogger(__name__)


class Interruption(Callback):
    """Saves the run where it stands when it is asked to stop; a Ctrl-C after that does not wait.

    SIGTERM may come again: who stops all processes of a job reaches also those that pass it on. A
    context: the handlers are those from before once it is left. Off the main thread, where Python
    allows no handlers, it changes nothing.
    """

    def __init__(self, output: os.PathLike[str]) -> None:
        self._path = os.path.join(output, FOLDER, LAST)
        self._process = os.getpid()
        self._asked = False
        self._handled = ExitStack()

    def __enter__(self) -> Self:
        self._handled.enter_context(handled(self._ask))
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._handled.close()
        if self._asked and error is None:
            raise KeyboardInterrupt  # asked in the last step: that was saved as any last step is

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Take SIGTERM back from Lightning, whose handler cuts validations short and has processes
        that train together leave at different steps."""
        self._handled.enter_context(handled(self._ask, signal.SIGTERM))

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        """Save and leave, between two steps of the optimizer.

        Not after the last one of an epoch: its validation comes first, which saves as well.
        """
        training = cast(TripletModule, module)
        done = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        if done == trainer.num_training_batches or not training.completes_step():
            return
        if self._anyone_asked(trainer, first_step=done <= trainer.accumulate_grad_batches):
            trainer.save_checkpoint(self._path)
            raise KeyboardInterrupt

    def _anyone_asked(self, trainer: Trainer, *, first_step: bool) -> bool:
        if trainer.world_size == 1:
            return self._asked
        # All processes must leave at one step; asking at each would cost a round trip.
        if trainer.global_step % ASKED_EVERY and not first_step:
            return False
        return bool(trainer.strategy.reduce_boolean_decision(self._asked, all=False))

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # forked meanwhile, with this handler
            if number == signal.SIGTERM:
                os._exit(128 + number)
            return
        if self._asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self._asked:
            self._asked = True
            logger.warning(
                "stopping after this step, where --resume goes on; a further Ctrl-C does not wait"
            )
