"""The process of a sweep in which a run is trained, or finished ones are measured.

Each run has a process of its own, so that one that dies - for want of memory, say - takes nothing
along. A task comes as one line of JSON on standard input, which stays open as long as the sweep is
there: where that is killed, its workers leave too, and whoever goes on finds no one else at work.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from facenet.benchmark.measuring import embed_images, measure_speed
from facenet.benchmark.records import (
    PROGRESS,
    RESULT,
    Conditions,
    PlannedRun,
    RunProgress,
    RunResult,
    read_record,
    run_folder,
    write_embeddings,
    write_record,
)
from facenet.config import TrainConfig
from facenet.data import IdentityFolder, Sample
from facenet.data.source import crops_of
from facenet.errors import FacenetError
from facenet.models import TorchModel, load_model
from facenet.stored import Stored
from facenet.training import train
from facenet.training.progress import Watch, Watched

TOLD_EVERY = 0.5
"""Seconds between two notes of how far a run is."""
_MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in the unit of `ru_maxrss`."""


class Images(Stored):
    """The images that all runs share, read and checked once by the sweep."""

    root: Path
    samples: tuple[tuple[Path, str], ...]

    def folder(self, config: TrainConfig) -> IdentityFolder:
        """As `facenet.data.open_folder` gave it."""
        folder = IdentityFolder(self.root, tuple(Sample(*each) for each in self.samples))
        return replace(folder, crops=crops_of(config, folder))


class Job(Stored):
    """A run and its configuration, which holds secrets and is written nowhere."""

    run: PlannedRun
    config: dict[str, Any]
    config_dir: Path | None

    def train_config(self) -> TrainConfig:
        """The configuration as the sweep checked it."""
        config = TrainConfig.model_validate(self.config)
        config._config_dir = self.config_dir
        return config


class TrainTask(Stored):
    """Train one run and write its result."""

    kind: Literal["train"] = "train"
    output: Path
    images: Images
    job: Job


class MeasureTask(Stored):
    """Measure the networks of finished runs, one after the other."""

    kind: Literal["measure"] = "measure"
    output: Path
    images: Images
    jobs: tuple[Job, ...]
    device: str
    query: Path | None
    conditions: Conditions


Task = TrainTask | MeasureTask
_TASK: TypeAdapter[Task] = TypeAdapter(Annotated[Task, Field(discriminator="kind")])


def main() -> int:
    """Do the task of standard input. The exit code is 0 when results were written, good or bad."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    task = _TASK.validate_json(sys.stdin.readline())
    threading.Thread(target=_leave_with_the_sweep, daemon=True).start()
    try:
        if isinstance(task, TrainTask):
            _train(task)
        else:
            for job in task.jobs:
                _measure(task, job)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def _train(task: TrainTask) -> None:
    folder, config = run_folder(task.output, task.job.run.key), task.job.train_config()
    before = read_record(folder / PROGRESS, RunProgress)
    begun, earlier = time.monotonic(), before.seconds if before else 0.0
    told = 0.0

    def seconds() -> float:
        return earlier + time.monotonic() - begun

    def note(at: Watched) -> None:
        nonlocal told
        if at.steps < at.total_steps and time.monotonic() - told < TOLD_EVERY:
            return
        told = time.monotonic()
        write_record(folder / PROGRESS, RunProgress(**at._asdict(), seconds=seconds()))

    try:
        trained = train(
            config, folder=task.images.folder(config), existing="resume", callbacks=[Watch(note)]
        )
    except FacenetError as error:
        result = RunResult(
            run=task.job.run, status="failed", reason=str(error), training_seconds=seconds()
        )
    else:
        summary = trained.evaluation.summary
        verification = summary.measured.verification
        result = RunResult(
            run=task.job.run,
            status="done",
            figures=trained.evaluation.figures,
            genuine_pairs=verification.genuine_pairs,
            impostor_pairs=verification.impostor_pairs,
            identities=summary.identities,
            bundle=trained.bundle.relative_to(task.output).as_posix(),
            epochs=config.trainer.max_epochs,
            training_seconds=seconds(),
            peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MEMORY_UNIT,
        )
    write_record(folder / RESULT, result)


def _measure(task: MeasureTask, job: Job) -> None:
    """Add speed and embeddings to the result of a finished run."""
    folder, config = run_folder(task.output, job.run.key), job.train_config()
    result = read_record(folder / RESULT, RunResult)
    if result is None or result.bundle is None:
        return
    model = load_model(task.output / result.bundle, task.device)
    assert isinstance(model, TorchModel)  # what training makes
    images = task.images.folder(config)
    split = task.conditions.gallery_split
    write_embeddings(folder, embed_images(model, config, images, split, task.query))
    speed = measure_speed(model, task.conditions)
    write_record(folder / RESULT, result.model_copy(update={"speed": speed}))


def _leave_with_the_sweep() -> None:
    # Not through sys.stdin: a loader's process, forked meanwhile, would wait for its lock for ever.
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
