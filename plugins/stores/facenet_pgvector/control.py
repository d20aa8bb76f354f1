"""The embedded server seen from outside: whether it runs, who uses it, and how it is stopped."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from facenet.errors import StoreError
from facenet_pgvector.bundled import DiskList, PostmasterInfo, get_server, pgexec
from facenet_pgvector.embedded import alone
from facenet_pgvector.processes import at_work, lives, recorded_pid


def running(data_dir: Path) -> PostmasterInfo | None:
    """What the living server of a folder says of itself; None where none lives, or it is only just
    starting."""
    if recorded_pid(data_dir) not in at_work(data_dir):
        return None
    try:
        return PostmasterInfo.read_from_pgdata(data_dir)
    except (AssertionError, OSError):  # It is still being written, or gone by now.
        return None


def users(data_dir: Path) -> tuple[int, ...]:
    """Pids of the other living processes that use the server of a folder."""
    listed = DiskList(data_dir / ".handle_pids.json")._get()
    return tuple(sorted(pid for pid in listed if pid != os.getpid() and lives(pid)))


def stop(data_dir: Path, *, force: bool) -> bool:
    """Stop the server of a folder cleanly; whether one ran. Raises `StoreError`."""
    if not data_dir.exists():
        return False
    with alone(data_dir):
        server = running(data_dir)
        if server is None:
            return False
        others = users(data_dir)
        if others and not force:
            pids = ", ".join(map(str, others))
            raise StoreError(
                f"the embedded PostgreSQL in {data_dir} is used by other processes (pid {pids}): "
                "end them, or stop it all the same with --force"
            )
        ours = get_server(data_dir, start=False)
        try:
            pgexec(
                "pg_ctl",
                ("stop", "-w", "-m", "fast", "-D", str(data_dir)),
                bin_path=ours.bin_path,
                user=ours.system_user,
            )
        except subprocess.SubprocessError as error:
            raise StoreError(
                f"the embedded PostgreSQL in {data_dir} does not stop: see {ours.log}"
            ) from error
        ours.global_process_id_list.put([])
        if server.socket_dir not in (None, data_dir):
            with suppress(OSError):
                server.socket_dir.rmdir()
    return True


def size_on_disk(folder: Path) -> int:
    """Bytes of all files below a folder; files that vanish meanwhile count as nothing."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.lstat().st_size
    return total
