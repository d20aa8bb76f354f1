"""How far a sweep is, read from what it has written: by the sweep itself, and beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Literal

import fasteners  # type: ignore[import-untyped]

from facenet.benchmark.records import (
    PROGRESS,
    RESULT,
    SWEEP,
    RunKey,
    RunProgress,
    RunResult,
    Sweep,
    read_record,
    run_folder,
)
from facenet.errors import DataError
from facenet.records import Record

LOCK = ".lock"
"""Held while a sweep works in its folder."""

Stage = Literal["waiting", "training", "trained", "measured", "failed"]


@dataclass(frozen=True, slots=True)
class RunState(Record):
    """One run: its stage, how far its training is, and what it came to.

    A run that was stopped while it trained is in the stage `training` still: it goes on there.
    """

    key: RunKey
    stage: Stage
    progress: RunProgress | None
    result: RunResult | None

    @property
    def seconds(self) -> float:
        """How long its training took so far."""
        if self.result:
            return self.result.training_seconds
        return self.progress.seconds if self.progress else 0.0

    @property
    def share(self) -> float:
        """The share of its training that is done, in 0..1."""
        if self.result:
            return 1.0
        at = self.progress
        return at.steps / max(at.total_steps, 1) if at else 0.0


@dataclass(frozen=True, slots=True)
class SweepState(Record):
    """All runs in the order of the plan; `running`: a sweep works in the folder now; `parallel`:
    how many runs may go side by side."""

    runs: tuple[RunState, ...]
    running: bool
    parallel: int

    @property
    def finished(self) -> int:
        """How many runs are trained, or failed."""
        return sum(run.result is not None for run in self.runs)

    @property
    def seconds_left(self) -> float | None:
        """About how long the training still takes; None before anything is known.

        A run takes as long as those of its backbone did, else as the others.
        """
        known = {run.key: run.seconds / run.share for run in self.runs if run.share > 0}
        if not known:
            return None
        of_backbone: dict[str, list[float]] = {}
        for key, seconds in known.items():
            of_backbone.setdefault(key.backbone, []).append(seconds)
        left = 0.0
        for run in self.runs:
            alike = of_backbone.get(run.key.backbone) or list(known.values())
            left += (1 - run.share) * known.get(run.key, mean(alike))
        return left / self.parallel


def read_state(output: Path) -> SweepState:
    """How far the sweep in a folder is; raises `DataError` when there is none."""
    sweep = read_record(output / SWEEP, Sweep) if output.is_dir() else None
    if sweep is None:
        why = f"{SWEEP} is missing" if output.is_dir() else "it is no folder"
        raise DataError(f"{output}: no sweep is here; {why}: name the output_dir of one")
    return state_of(output, sweep, running=_is_locked(output))


def state_of(output: Path, sweep: Sweep, *, running: bool) -> SweepState:
    """How far each run of a plan is."""
    return SweepState(
        tuple(_state_of(run_folder(output, run.key), run.key) for run in sweep.runs),
        running=running,
        parallel=sweep.configuration.get("max_parallel", 1),
    )


def _state_of(folder: Path, key: RunKey) -> RunState:
    result = read_record(folder / RESULT, RunResult)
    progress = read_record(folder / PROGRESS, RunProgress)
    stage: Stage
    if result is None:
        stage = "training" if progress else "waiting"
    elif result.status == "failed":
        stage = "failed"
    else:
        stage = "measured" if result.speed else "trained"
    return RunState(key, stage, progress, result)


def _is_locked(output: Path) -> bool:
    lock = fasteners.InterProcessLock(output / LOCK)
    if not lock.acquire(blocking=False):
        return True
    lock.release()
    return False
