"""Rounds of the fault harness: write, kill, open again, compare."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from random import Random

from facenet.errors import RequestError
from facenet.records import plain
from facenet.testing.faults.checks import Findings
from facenet.testing.faults.journal import Operation
from facenet.testing.faults.worker import Plan
from facenet.types import Progress

OPENING, WRITER, SERVER = "opening", "writing", "with server"
WRITING_SECONDS = 1.0
"""A writer is killed within this time of its first operation."""
CHECK_SECONDS = 120
"""A check that takes longer hangs."""
ROUND_OF_NUMBERS = 100_000
"""More operations than any round has: no two have one number."""


@dataclass(frozen=True)
class Round:
    """One kill, and what the store held after it; no `findings`: it did not open again."""

    kill: str
    seconds: float | None = None
    findings: Findings | None = None
    problems: list[str] = field(default_factory=list)


class Harness:
    """Kills writers of one gallery, which must be empty at first.

    `server_pid` is the file whose first line is the pid of the server that the store runs; each
    third kill takes that with it. Raises `RequestError` when the store cannot be opened before
    anything was killed, and when its gallery is not empty.
    """

    def __init__(
        self,
        store: str,
        options: Mapping[str, str],
        folder: Path,
        *,
        server_pid: Path | None = None,
        seed: int = 0,
    ) -> None:
        self._folder = folder
        self._server_pid = server_pid
        self._random = Random(seed)
        self._plan = Plan(store, options, str(folder / "none"), seed, first=0, kept=[])
        checked = self._checked("before the first kill")
        if checked.findings is None:
            raise RequestError("; ".join(checked.problems))
        if checked.findings.problems:
            raise RequestError("the gallery is not empty: choose a folder or table of its own")
        self._opening_seconds = checked.seconds or 0.0

    def run(self, kills: int, tell: Progress) -> list[Round]:
        """So many rounds, each on what the last one left; `tell` gets (done, all)."""
        kinds = cycle([OPENING, WRITER, SERVER] if self._server_pid else [OPENING, WRITER])
        rounds: list[Round] = []
        while len(rounds) < kills:
            tell(len(rounds), kills)
            rounds.append(self._round(len(rounds), next(kinds)))
            if rounds[-1].findings is None:
                break  # There is nothing to go on with.
        tell(kills, kills)
        return rounds

    def _round(self, number: int, kill: str) -> Round:
        self._plan = replace(
            self._plan,
            journal=str(self._folder / f"{number}.journal"),
            seed=self._random.getrandbits(32),
            first=self._plan.first + ROUND_OF_NUMBERS,
        )
        complaints = self._killed_writer(kill)
        checked = self._checked(kill)
        if checked.findings is not None:
            kept = [plain(operation) for operation in checked.findings.kept]
            self._plan = replace(self._plan, kept=kept)
            self._opening_seconds = checked.seconds or 0.0
        return replace(checked, problems=[*complaints, *checked.problems])

    def _killed_writer(self, kill: str) -> list[str]:
        """Returns what the writer complained of by itself, with its server alive."""
        errors = self._folder / "errors"
        with (
            errors.open("w") as stderr,
            subprocess.Popen(
                self._command("write"), stdout=subprocess.PIPE, stderr=stderr
            ) as writer,
        ):
            try:
                self._wait(kill, writer)
                if kill == SERVER and self._server_pid is not None:
                    _kill_tree(self._server_pid)
            finally:
                writer.kill()
        complaints = errors.read_text().splitlines()[-1:]
        return [] if kill == SERVER else [f"the writer failed: {line}" for line in complaints]

    def _wait(self, kill: str, writer: subprocess.Popen[bytes]) -> None:
        """Until the moment of the kill; a writer that opens may be about to begin or done."""
        if kill == OPENING:
            time.sleep(self._random.uniform(0, self._opening_seconds + WRITING_SECONDS))
            return
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(self._random.uniform(0, WRITING_SECONDS))

    def _checked(self, kill: str) -> Round:
        try:
            ran = subprocess.run(
                self._command("check"), capture_output=True, text=True, timeout=CHECK_SECONDS
            )
        except subprocess.TimeoutExpired:
            return Round(kill, problems=[f"no answer within {CHECK_SECONDS} s"])
        if ran.returncode != 0:
            return Round(kill, problems=[ran.stderr.strip() or f"exit code {ran.returncode}"])
        answer = json.loads(ran.stdout)
        answer["findings"]["kept"] = [Operation(**kept) for kept in answer["findings"]["kept"]]
        findings = Findings(**answer["findings"])
        return Round(kill, answer["seconds"], findings, findings.problems)

    def _command(self, task: str) -> list[str]:
        path = self._folder / "plan.json"
        path.write_text(json.dumps(plain(self._plan)))
        return [sys.executable, "-m", "facenet.testing.faults.worker", task, str(path)]


def _kill_tree(pid_file: Path) -> None:
    """As when the power fails: the server and all its processes at once."""
    import psutil  # type: ignore[import-untyped]

    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError) as error:
        raise RequestError(
            f"{pid_file}: does not begin with a pid; name the file that the store's server writes"
        ) from error
    with suppress(psutil.NoSuchProcess):
        server = psutil.Process(pid)
        for process in [server, *server.children(recursive=True)]:
            os.kill(process.pid, signal.SIGKILL)
