"""The worker processes of a sweep: started with a task, watched, and stopped together."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil  # type: ignore[import-untyped]

from facenet.benchmark.worker import Task

ROOM_FOR_ANOTHER = 1.25
"""Times the memory of the largest worker that must be free before another starts beside it."""


@dataclass(eq=False, slots=True)
class Worker:
    """A process at its task; what it says goes to `log`."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def code(self) -> int | None:
        """Its exit code, negative when a signal ended it; None while it works."""
        return self.process.poll()

    def memory(self) -> int:
        """Bytes of main memory that it and its own processes hold now."""
        held = 0
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.process.pid)
            for each in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    held += each.memory_info().rss
        return held

    def ending(self) -> str:
        """How it ended, in words, for a worker that left without a result."""
        code = self.code or 0
        if code == -9:
            how = "was killed, as happens when memory runs out"
        else:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"the process {how}; what it said is in {self.log}"


class Workers:
    """Those at work, at most `most` at a time, between which the cores are divided.

    A context: on the way out all are asked to save and leave, and waited for; a second Ctrl-C does
    not wait.
    """

    def __init__(self, most: int) -> None:
        threads = max(1, (os.cpu_count() or 1) // most)
        self._environment = os.environ | ({"OMP_NUM_THREADS": str(threads)} if most > 1 else {})
        self._active: list[Worker] = []
        self._largest = 0

    def __len__(self) -> int:
        return len(self._active)

    def start(self, task: Task, log: Path) -> Worker:
        """Give a task to a new process.

        It has a session of its own, so that Ctrl-C reaches the sweep alone, which then stops it in
        order. Its standard input stays open as long as this process lives.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "facenet.benchmark.worker"],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        worker = Worker(process, log)
        self._active.append(worker)
        with contextlib.suppress(BrokenPipeError):  # it died at once: its exit code says so
            assert process.stdin is not None
            process.stdin.write(task.model_dump_json().encode() + b"\n")
            process.stdin.flush()
        return worker

    def leave_room(self) -> bool:
        """Whether another worker like the largest so far fits into the memory that is free."""
        self._largest = max([self._largest, *(worker.memory() for worker in self._active)])
        return bool(psutil.virtual_memory().available > ROOM_FOR_ANOTHER * self._largest)

    def ended(self) -> Iterator[Worker]:
        """Those that have left since the last call."""
        for worker in [each for each in self._active if each.code is not None]:
            self._active.remove(worker)
            _close(worker)
            yield worker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._active:
            worker.process.terminate()
        try:
            for worker in self._active:
                worker.process.wait()
        finally:
            for worker in self._active:
                worker.process.kill()
                _close(worker)
            self._active.clear()


def _close(worker: Worker) -> None:
    with contextlib.suppress(BrokenPipeError):
        if worker.process.stdin:
            worker.process.stdin.close()
