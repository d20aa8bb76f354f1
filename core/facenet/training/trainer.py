"""Lightning's trainer, made from a configuration and kept from talking over us."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning import Callback
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_only

from facenet.config import TrainConfig
from facenet.errors import DeviceError
from facenet.models import resolve_device
from facenet.text import first_line
from facenet.training.checkpoints import FOLDER, LAST, AtomicCheckpoints
from facenet.training.loggers import make_loggers
from facenet.training.progress import TrainingProgress
from facenet.training.watchdog import Watchdog


def best_checkpoints(config: TrainConfig) -> ModelCheckpoint:
    """Keeps the best checkpoints by `logging.monitor`."""
    options = config.logging
    return _checkpoints(
        config,
        filename=f"epoch{{epoch:03d}}-{{{options.monitor}:.4f}}",
        monitor=options.monitor,
        mode=options.mode,
        save_top_k=options.checkpoint_top_k,
    )


def last_checkpoints(config: TrainConfig) -> ModelCheckpoint:
    """Keeps the last checkpoint; must stand after the best ones, whose list it saves too."""
    return _checkpoints(config, filename=Path(LAST).stem)


def _checkpoints(config: TrainConfig, **options: Any) -> ModelCheckpoint:
    return ModelCheckpoint(
        config.logging.output_dir / FOLDER,
        auto_insert_metric_name=False,
        every_n_epochs=config.logging.checkpoint_interval,
        save_on_train_epoch_end=False,  # at the end of a validation
        enable_version_counter=False,  # a second run's last.ckpt is not last-v1.ckpt
        **options,
    )


def make_trainer(
    config: TrainConfig, callbacks: list[Callback], *, from_step: int
) -> lightning.Trainer:
    """The trainer of a run that has `from_step` optimizer steps behind it.

    Raises `DeviceError` for devices that are not here, `ConfigError` for a wrong logger.
    """
    options = config.trainer.model_dump(exclude={"enable_progress_bar", "accelerator"})
    if config.watchdog:
        callbacks = [*callbacks, Watchdog(config, config.watchdog)]
    if config.trainer.enable_progress_bar:
        callbacks = [*callbacks, TrainingProgress(config.data.images_per_batch)]
    loggers = make_loggers(config.logging, from_step=from_step)
    try:
        accelerator = _accelerator(config.trainer.accelerator)
        return lightning.Trainer(
            **options,
            accelerator=accelerator,
            logger=loggers,
            callbacks=callbacks,
            plugins=[AtomicCheckpoints()],
            # The sampler gives each process its own identities; Lightning's would split images.
            use_distributed_sampler=False,
            # torch synchronises batch statistics between GPUs only; between processes on CPUs
            # each backbone has its own, while the head sees the rows of all.
            sync_batchnorm=torch.cuda.is_available() and accelerator != "cpu",
            enable_progress_bar=False,
            enable_model_summary=False,
            log_every_n_steps=config.logging.log_every_n_steps,
            check_val_every_n_epoch=config.logging.checkpoint_interval,
            num_sanity_val_steps=0,
        )
    except (DeviceError, MisconfigurationException, RuntimeError, ValueError) as error:
        # What Lightning refuses here is a combination of accelerator, devices and precision.
        raise DeviceError(f"trainer: {first_line(error)}") from error


def _accelerator(wanted: str) -> str:
    """What Lightning is told: it would take a GPU that is there without trying it."""
    if wanted == "gpu":  # of which kind, Lightning finds out
        return wanted
    return resolve_device(wanted, announce=is_first_process()).type


def is_first_process() -> bool:
    """Whether this is the first, or the only one, of the processes that train together."""
    return getattr(rank_zero_only, "rank", 0) == 0


@contextlib.contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's remarks on hardware and loader settings from our users' screens."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)


@contextlib.contextmanager
def same_algorithms_after() -> Iterator[None]:
    """`trainer.deterministic` is a switch of the whole process: put it back."""
    before = torch.get_deterministic_debug_mode()
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)
