"""A sweep from its configuration to the results of all its runs."""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import fasteners  # type: ignore[import-untyped]

from facenet.benchmark.measuring import conditions_of
from facenet.benchmark.plan import Run, refuse_another_sweep, runs_of, sweep_of
from facenet.benchmark.processes import Worker, Workers
from facenet.benchmark.records import (
    EMBEDDINGS,
    PROGRESS,
    RESULT,
    SWEEP,
    Conditions,
    PlannedRun,
    RunProgress,
    RunResult,
    Sweep,
    read_record,
    run_folder,
    write_record,
)
from facenet.benchmark.report import write_report
from facenet.benchmark.state import LOCK, SweepState, state_of
from facenet.benchmark.worker import Images, Job, MeasureTask, TrainTask
from facenet.config import BenchmarkConfig
from facenet.data import IdentityFolder, open_folder
from facenet.errors import DataError, FacenetError
from facenet.models import resolve_device
from facenet.paths import checked_output_folder
from facenet.signals import handled

TRAINING_LOG, MEASURING_LOG = "training.log", "measuring.log"
"""What the workers said: in the folder of each run, and in that of the sweep."""
LEAST_ROOM = 200 * 2**20
"""Free bytes on the disk below which no run is begun."""
_LOOKED_EVERY = 0.2
"""Seconds between two looks at the workers."""

Watch = Callable[[SweepState], None]


def run_sweep(
    config: BenchmarkConfig,
    *,
    read: Callable[[], IdentityFolder] | None = None,
    resume: bool = True,
    watch: Watch | None = None,
) -> list[Path]:
    """Train, measure and compare all runs of a sweep, and return the files of the report.

    What is finished is not done again, and a run that was stopped goes on from its checkpoint;
    without `resume` all runs begin anew. A run that fails is recorded with its reason, and tried
    again by the next sweep. `read` is called for the images of `training.data.root` once all else
    was checked, in the place of `open_folder`; `watch` is told several times a second how far all
    is.

    Raises `ConfigError`, `DataError`, `DeviceError` or `ImageError` before the first run starts,
    among others where runs in the folder were made with another configuration; `FacenetError` when
    the disk is full or a measurement fails; and KeyboardInterrupt on Ctrl-C or SIGTERM, after all
    running runs were saved where they stand.
    """
    output = checked_output_folder(config.output_dir)
    runs = runs_of(config)
    conditions = conditions_of(config)
    folder = read() if read else open_folder(config.training)
    sweep = sweep_of(config, runs, folder)
    if resume:
        refuse_another_sweep(output, sweep)
    output.mkdir(parents=True, exist_ok=True)
    # SIGTERM does as Ctrl-C.
    with _alone(output), handled(signal.default_int_handler, signal.SIGTERM):
        if not resume:
            for run in sweep.runs:
                shutil.rmtree(run_folder(output, run.key), ignore_errors=True)
        write_record(output / SWEEP, sweep)
        images = Images(root=folder.root, samples=tuple(map(tuple, folder.samples)))
        work = _Work(config, sweep, runs, images, watch or (lambda _: None))
        work.train()
        work.measure(conditions)
        work.show()
        return write_report(output, sweep, work.results(), config)


@dataclass(frozen=True, slots=True)
class _Work:
    """A sweep at work."""

    config: BenchmarkConfig
    sweep: Sweep
    runs: list[Run]
    images: Images
    watch: Watch

    def train(self) -> None:
        """Train what is not trained, `max_parallel` runs side by side where memory allows."""
        waiting = deque(
            (run, planned)
            for run, planned in zip(self.runs, self.sweep.runs, strict=True)
            if not self._is_done(planned)
        )
        at_work: dict[Worker, PlannedRun] = {}
        with Workers(self.config.max_parallel) as workers:
            while waiting or at_work:
                if waiting and self._may_begin(at_work, workers):
                    run, planned = waiting.popleft()
                    at_work[self._begin(workers, run, planned)] = planned
                for worker in workers.ended():
                    self._record_end(worker, at_work.pop(worker))
                self.show()
                time.sleep(_LOOKED_EVERY)

    def measure(self, conditions: Conditions) -> None:
        """Measure what was not measured, or with something else, one network at a time."""
        jobs = [
            _job(run, result.run)
            for run, result in zip(self.runs, self.results(), strict=True)
            if result.status == "done" and not self._is_measured(result, conditions)
        ]
        if not jobs:
            return
        task = MeasureTask(
            output=self._output,
            images=self.images,
            jobs=tuple(jobs),
            device=resolve_device(self.config.device, announce=False).type,
            query=self.config.query_image,
            conditions=conditions,
        )
        with Workers(1) as workers:
            worker = workers.start(task, self._output / MEASURING_LOG)
            while worker.code is None:
                self.show()
                time.sleep(_LOOKED_EVERY)
        if worker.code:
            raise FacenetError(f"the networks could not be measured: {worker.ending()}")

    def show(self) -> None:
        """Tell how far all is."""
        self.watch(state_of(self._output, self.sweep, running=True))

    def results(self) -> list[RunResult]:
        """What came of the runs so far, in the order of the plan."""
        found = (self._result(planned) for planned in self.sweep.runs)
        return [result for result in found if result is not None]

    @property
    def _output(self) -> Path:
        return self.config.output_dir

    def _result(self, planned: PlannedRun) -> RunResult | None:
        return read_record(run_folder(self._output, planned.key) / RESULT, RunResult)

    def _is_done(self, planned: PlannedRun) -> bool:
        result = self._result(planned)
        return result is not None and result.status == "done"

    def _is_measured(self, result: RunResult, conditions: Conditions) -> bool:
        embeddings = run_folder(self._output, result.run.key) / EMBEDDINGS
        speed = result.speed
        return speed is not None and speed.measured_with == conditions and embeddings.is_file()

    def _may_begin(self, at_work: Mapping[Worker, PlannedRun], workers: Workers) -> bool:
        if not at_work:
            return True
        # One that has not begun to train does not hold its memory yet.
        settled = all(
            (run_folder(self._output, planned.key) / PROGRESS).is_file()
            for planned in at_work.values()
        )
        return len(at_work) < self.config.max_parallel and settled and workers.leave_room()

    def _begin(self, workers: Workers, run: Run, planned: PlannedRun) -> Worker:
        free = shutil.disk_usage(self._output).free
        if free < LEAST_ROOM:
            raise FacenetError(
                f"{self._output}: {free / 2**20:.0f} MiB are free on its disk, and a run may need "
                f"{LEAST_ROOM / 2**20:.0f}: make room, and the same command goes on here"
            )
        folder = run_folder(self._output, planned.key)
        (folder / RESULT).unlink(missing_ok=True)  # of a failure that is tried again
        task = TrainTask(output=self._output, images=self.images, job=_job(run, planned))
        return workers.start(task, folder / TRAINING_LOG)

    def _record_end(self, worker: Worker, planned: PlannedRun) -> None:
        if self._result(planned) is None:
            folder = run_folder(self._output, planned.key)
            progress = read_record(folder / PROGRESS, RunProgress)
            failed = RunResult(
                run=planned,
                status="failed",
                reason=worker.ending(),
                training_seconds=progress.seconds if progress else 0.0,
            )
            write_record(folder / RESULT, failed)


def _job(run: Run, planned: PlannedRun) -> Job:
    options = run.config.trainer.model_copy(update={"enable_progress_bar": False})
    config = run.config.model_copy(update={"trainer": options})
    return Job(run=planned, config=config.model_dump(mode="json"), config_dir=run.config.config_dir)


@contextlib.contextmanager
def _alone(output: Path) -> Iterator[None]:
    lock = fasteners.InterProcessLock(output / LOCK)
    if not lock.acquire(blocking=False):
        raise DataError(
            f"{output}: another sweep is at work in this folder; wait for it, look at it with "
            f"facenet benchmark status {output}, or choose another output_dir"
        )
    try:
        yield
    finally:
        lock.release()
