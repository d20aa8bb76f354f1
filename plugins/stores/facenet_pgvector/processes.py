"""Which processes of this machine are the PostgreSQL of a folder, and which of them live."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]


def at_work(data_dir: Path) -> set[int]:
    """Pids of the living PostgreSQL processes whose working directory is this folder, and of an
    `initdb` that makes it."""
    found = set()
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error):
            name = process.info["name"] or ""
            works = (name == "initdb" and str(data_dir) in process.cmdline()) or (
                name.startswith("postgres") and Path(process.cwd()) == data_dir
            )
            if works and lives(process.pid):
                found.add(process.pid)
    return found


def recorded_pid(data_dir: Path) -> int | None:
    """The pid of the server that was started last in a folder; it may be dead."""
    try:
        return int((data_dir / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def lives(pid: int) -> bool:
    """Whether there is such a process, and it is not only left over (a zombie)."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
