"""One training run, from a configuration to a bundle."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning

from facenet.config import TrainConfig, dump_config
from facenet.data import FaceDataModule, IdentityFolder, open_folder
from facenet.errors import DataError, TrainingError
from facenet.imaging import fingerprint
from facenet.models import (
    Calibration,
    calibration_of,
    checked_bundle_folder,
    load_model,
    save_bundle,
)
from facenet.paths import checked_output_folder
from facenet.training.checkpoints import (
    FOLDER,
    LAST,
    RunState,
    last_checkpoint,
    read_state,
    refuse_another_run,
)
from facenet.training.held_out import Evaluation, evaluate_model
from facenet.training.interruption import Interruption
from facenet.training.licences import check_pretrained, check_run
from facenet.training.loggers import METRICS
from facenet.training.module import TripletModule
from facenet.training.trainer import (
    best_checkpoints,
    last_checkpoints,
    make_trainer,
    quiet_lightning,
    same_algorithms_after,
)

BUNDLE, CONFIG = "bundle", "config.yaml"
"""What a run leaves in its output folder, beside its checkpoints and curves."""

Existing = Literal["refuse", "resume", "replace"]
"""What to do with a run that the output folder holds already."""

_OTHERWISE = "begin anew with --replace, which removes it, or choose another logging.output_dir"


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Where a run left its best checkpoint and bundle, and how it measures on unseen identities."""

    checkpoint: Path
    bundle: Path
    evaluation: Evaluation


def train(
    config: TrainConfig,
    *,
    folder: IdentityFolder | None = None,
    existing: Existing = "refuse",
    callbacks: Sequence[lightning.Callback] = (),
) -> TrainingResult:
    """Train, keep the best checkpoint, measure it and write its bundle to the output folder.

    `folder` saves reading `data.root` again. A run that the output folder holds already is gone on
    with (`existing="resume"`), removed before this one begins (`"replace"`), or refused with a
    `DataError`. `callbacks` are told of the run as Lightning tells its own.

    Raises `DataError`, `ConfigError`, `DeviceError` or `ModelError` before anything is written,
    `TrainingError` when training cannot go on or no checkpoint came of it, and KeyboardInterrupt
    on Ctrl-C or SIGTERM, after the run was saved where it stands.

    Where several processes train, each returns the result that the first one measured.
    """
    output = checked_output_folder(config.logging.output_dir)
    check_run(config)
    last, state = former_run(config, existing)
    folder = folder or open_folder(config)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    data = FaceDataModule(config, folder)
    module = TripletModule(config)
    check_pretrained(config, module.spec.backbone, module.licence)
    best = best_checkpoints(config)
    interruption = Interruption(output)
    with quiet_lightning(), same_algorithms_after():
        trainer = make_trainer(
            config,
            [*callbacks, best, last_checkpoints(config), interruption],
            from_step=state.steps if state else 0,
        )
        data.trainer = trainer
        data.setup("fit")  # too few identities for all processes: said before anything is written
        if trainer.is_global_zero:
            if state is None:
                begin_folder(output)
            (output / CONFIG).write_text(dump_config(config), encoding="utf-8")
        with interruption, _interruptible(trainer):
            trainer.fit(module, data, ckpt_path=last)
        checkpoint = Path(best.best_model_path)
        # On the machine of the first process, which wrote it: others may not see that folder.
        if not trainer.strategy.broadcast(checkpoint.is_file()):
            raise TrainingError(
                f"{output}: no checkpoint was written: {best.monitor} was never measured"
            )
        measured: Any = None
        if trainer.is_global_zero:
            measured = _measured_bundle(config, checkpoint, folder)
        bundle, evaluation = trainer.strategy.broadcast(measured)
    return TrainingResult(checkpoint, bundle, evaluation)


def former_run(config: TrainConfig, existing: Existing) -> tuple[Path | None, RunState | None]:
    """The checkpoint to go on from and what it says, or nothing for a run from the beginning.

    Raises `DataError` when the output folder holds a run that would be lost, and `ModelError` when
    it cannot be gone on with, or something that is no bundle stands in the place of its bundle.
    """
    output = config.logging.output_dir
    path, measured = last_checkpoint(output), checked_bundle_folder(output / BUNDLE).exists()
    if existing == "replace":
        return None, None
    if path is None:
        if measured or (existing == "refuse" and any((output / FOLDER).glob("*.ckpt"))):
            raise DataError(f"{output}: holds a run without {FOLDER}/{LAST}: {_OTHERWISE}")
        return None, None
    state = read_state(path)
    if existing == "resume":
        refuse_another_run(config, state, path)
        return path, state
    if state.is_finished and measured:
        held = "a finished run: prolong it with --resume and a larger trainer.max_epochs"
    else:
        epoch = min(state.epoch + 1, state.max_epochs)
        held = f"a run that stopped in epoch {epoch} of {state.max_epochs}: go on with --resume"
    raise DataError(f"{output}: holds {held}, {_OTHERWISE}")


def _measured_bundle(
    config: TrainConfig, checkpoint: Path, folder: IdentityFolder
) -> tuple[Path, Evaluation]:
    model = load_model(checkpoint)
    evaluation = evaluate_model(config, model, folder)
    people = evaluation.summary.identities
    details = {
        "measured_on": f"{people} people of {config.data.root.name} whom training never saw",
        "metrics": evaluation.figures,
        "calibration": _calibration(evaluation, config.data.root),
    }
    model.card = model.card.model_copy(update=details)
    return save_bundle(model, config.logging.output_dir / BUNDLE), evaluation


def _calibration(evaluation: Evaluation, root: Path) -> Calibration | None:
    """The threshold that the validation pairs support deciding with, if any."""
    point = evaluation.verification.decision_point()
    if point is None or point.threshold > 1:
        return None
    return calibration_of(
        evaluation.summary,
        point.far,
        data=f"people held out from {root.name}",
        fingerprint=fingerprint((sample.path for sample in evaluation.samples), root),
    )


def begin_folder(output: Path) -> None:
    """Make the folder of a run, without what a former one left: checkpoints, curves, bundle."""
    output.mkdir(parents=True, exist_ok=True)
    for pattern in (f"{FOLDER}/*.ckpt", "tensorboard/events.out.*", METRICS):
        for old in output.glob(pattern):
            old.unlink()
    if (output / BUNDLE).exists():
        shutil.rmtree(output / BUNDLE)


@contextlib.contextmanager
def _interruptible(trainer: lightning.Trainer) -> Iterator[None]:
    """Lightning leaves the process on Ctrl-C; a library must leave that to its caller."""
    try:
        yield
    except SystemExit:
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise
