"""The pgvector store on a streaming replica of its server: searches there see what is changed."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from facenet.errors import StoreError
from facenet.testing.galleries import axis, names

from .postgres import TcpServer, open_store

pytest.importorskip("psycopg", reason="needs facenet-kit[pgvector]")


@pytest.fixture
def standby(own_tcp_server: TcpServer, folder: Path) -> Iterator[TcpServer]:
    """A server that follows the other, as pg_basebackup sets it up."""
    from facenet_pgvector.bundled import program

    primary, data_dir = own_tcp_server, folder / "standby"
    rules = primary.data_dir / "pg_hba.conf"
    rules.write_text(f"host replication all 127.0.0.1/32 trust\n{rules.read_text()}")
    with primary.connect() as connection:
        connection.execute("SELECT pg_reload_conf()")
    login = ("--host=127.0.0.1", f"--port={primary.port}", "--username=postgres", "--no-password")
    copy = (program("pg_dump").with_name("pg_basebackup"), *login, "--checkpoint=fast")
    subprocess.run([*copy, "--write-recovery-conf", f"--pgdata={data_dir}"], check=True)
    owner = primary.data_dir.stat()
    for path in (data_dir, *data_dir.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    follower = replace(primary, port=primary.port + 1, data_dir=data_dir)
    follower.start()
    yield follower
    follower.stop()


def follow(standby: TcpServer, primary: TcpServer) -> None:
    """Return when it has all that was written until now."""
    with primary.connect() as connection:
        written = connection.execute("SELECT pg_current_wal_lsn()::text").fetchone()
    arrived = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
    with standby.connect() as connection:
        for _ in range(600):
            if connection.execute(arrived, written).fetchone() == (True,):
                return
            time.sleep(0.05)
    raise AssertionError("the standby does not follow")


@pytest.mark.slow
def test_a_standby_is_searched_and_follows(own_tcp_server: TcpServer, standby: TcpServer) -> None:
    options = own_tcp_server.options()
    with open_store(**options) as written:
        written.enrol("ann", axis(0))
        written.enrol("bob", axis(1))
        follow(standby, own_tcp_server)
        with open_store(**options | {"port": standby.port}) as read:
            assert names(read, axis(0)) == ["ann", "bob"]
            written.forget("ann")
            written.enrol("cid", axis(0) + axis(1))
            follow(standby, own_tcp_server)
            assert names(read, axis(0)) == ["cid", "bob"]
            assert read.get("ann") is None
            with pytest.raises(StoreError, match="may only be read"):
                read.enrol("dan", axis(2))
