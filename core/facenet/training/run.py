"""One training run, from a configuration to a bundle."""

from __future__ import annotations

import contextlib
import logging
import signal
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import lightning
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from facenet.config import TrainConfig, dump_config
from facenet.data import FaceDataModule, IdentityFolder, scan_folder
from facenet.errors import DeviceError, TrainingError
from facenet.evaluation import Verification
from facenet.models import Calibration, load_model, save_bundle
from facenet.paths import checked_output_folder
from facenet.training.held_out import Evaluation, evaluate_model
from facenet.training.module import TripletModule
from facenet.training.progress import TrainingProgress

BUNDLE, CONFIG, METRICS = "bundle", "config.yaml", "metrics.csv"
"""What a run leaves in its output folder, beside its checkpoints."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Where a run left its best checkpoint and bundle, and how it measures on unseen identities."""

    checkpoint: Path
    bundle: Path
    evaluation: Evaluation


def train(config: TrainConfig, *, folder: IdentityFolder | None = None) -> TrainingResult:
    """Train, keep the best checkpoint, measure it and write its bundle to the output folder.

    `folder` saves scanning `data.root` again. Raises `DataError` or `ConfigError` before anything
    is written, `TrainingError` when no checkpoint came of it, and KeyboardInterrupt on Ctrl-C:
    the checkpoints written until then stay.
    """
    output = checked_output_folder(config.logging.output_dir)
    folder = folder or scan_folder(config.data.root, min_images=config.data.min_images_per_class)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    data = FaceDataModule(config, folder)
    module = TripletModule(config)
    best = ModelCheckpoint(
        output / "checkpoints",
        filename=f"epoch{{epoch:03d}}-{{{config.logging.monitor}:.4f}}",
        auto_insert_metric_name=False,
        monitor=config.logging.monitor,
        mode=config.logging.mode,
        save_top_k=config.logging.checkpoint_top_k,
        every_n_epochs=config.logging.checkpoint_interval,
        save_last=True,
        enable_version_counter=False,  # last.ckpt is that of the last run, never last-v1.ckpt
    )
    with _quiet_lightning():
        trainer = _trainer(config, best)
        output.mkdir(parents=True, exist_ok=True)
        (output / CONFIG).write_text(dump_config(config), encoding="utf-8")
        with _interruptible(trainer):
            trainer.fit(module, data)
    checkpoint = Path(best.best_model_path)
    if not checkpoint.is_file():
        raise TrainingError(
            f"{output}: no checkpoint was written: {best.monitor} was never measured"
        )
    return TrainingResult(checkpoint, *_measured_bundle(config, checkpoint, folder))


def _measured_bundle(
    config: TrainConfig, checkpoint: Path, folder: IdentityFolder
) -> tuple[Path, Evaluation]:
    model = load_model(checkpoint)
    evaluation = evaluate_model(config, model, folder)
    details = {
        "metrics": evaluation.verification.figures(),
        "calibration": _calibration(evaluation.verification, str(config.data.root)),
    }
    card = model.card.model_copy(update=details)
    return save_bundle(model.network, card, config.logging.output_dir / BUNDLE), evaluation


def _calibration(result: Verification, data: str) -> Calibration | None:
    """The threshold that the validation pairs support deciding with."""
    point = result.decision_point()
    if point is None:
        return None
    return Calibration(
        threshold=point.threshold, far=point.far, impostor_pairs=result.impostor_pairs, data=data
    )


def _trainer(config: TrainConfig, best: ModelCheckpoint) -> lightning.Trainer:
    options = config.trainer.model_dump(exclude={"enable_progress_bar"})
    try:
        return lightning.Trainer(
            **options,
            logger=CSVLogger(config.logging.output_dir, name="", version=""),
            callbacks=[best, *([TrainingProgress()] if config.trainer.enable_progress_bar else [])],
            enable_progress_bar=config.trainer.enable_progress_bar,
            enable_model_summary=False,
            log_every_n_steps=config.logging.log_every_n_steps,
            check_val_every_n_epoch=config.logging.checkpoint_interval,
            num_sanity_val_steps=0,
        )
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        # What Lightning refuses here is a combination of accelerator, devices and precision.
        raise DeviceError(f"trainer: {str(error).splitlines()[0]}") from error


@contextlib.contextmanager
def _interruptible(trainer: lightning.Trainer) -> Iterator[None]:
    """Lightning answers Ctrl-C by ignoring further ones and leaving the process; undo both."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        if handler is not None and signal.getsignal(signal.SIGINT) is not handler:
            signal.signal(signal.SIGINT, handler)


@contextlib.contextmanager
def _quiet_lightning() -> Iterator[None]:
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
