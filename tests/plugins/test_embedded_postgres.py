"""The PostgreSQL that the pgvector store starts in a folder: shared, stopped, killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from facenet.errors import StoreError
from facenet.testing.galleries import axis

from .postgres import open_store

psutil = pytest.importorskip("psutil", reason="needs facenet-kit[pgvector]")

OPEN = """
import os, signal, sys
from facenet.plugins import Registry
from facenet.testing.galleries import axis
data_dir, table = sys.argv[1:]
def open_store():
    plugin = Registry().load("store", "pgvector")
    return plugin.make_from({"data_dir": data_dir, "table": table}, embedding_dim=4, space="s")
"""


def start_child(script: str, data_dir: Path, table: str = "faces") -> subprocess.Popen[str]:
    environment = {key: text for key, text in os.environ.items() if key != "XDG_RUNTIME_DIR"}
    return subprocess.Popen(
        [sys.executable, "-c", OPEN + script, str(data_dir), table],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_child(script: str, data_dir: Path, table: str = "faces") -> str:
    child = start_child(script, data_dir, table)
    output, errors = child.communicate(timeout=60)
    assert (child.returncode, errors) == (0, "")
    return output


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postmaster.pid").read_text().split()[0])


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.fixture(scope="module")
def idle_dir() -> Iterator[Path]:
    """A data folder in which no server runs, before and after each test."""
    with TemporaryDirectory(prefix="facenet-test-", ignore_cleanup_errors=True) as folder:
        open_store(data_dir=Path(folder) / "pg").close()
        yield Path(folder) / "pg"


def test_another_process_sees_the_gallery(embedded_dir: Path, new_table: str) -> None:
    with open_store(data_dir=embedded_dir, table=new_table) as store:
        before = postmaster(embedded_dir)
        run_child("with open_store() as s: s.enrol('ann', axis(0))", embedded_dir, new_table)
        assert store.count() == 1
    assert postmaster(embedded_dir) == before


def test_processes_enrol_at_once(embedded_dir: Path, new_table: str) -> None:
    script = "with open_store() as s:\n for i in range(50): s.enrol('ann', axis({}))"
    children = [start_child(script.format(i), embedded_dir, new_table) for i in range(2)]
    assert [child.wait(60) for child in children] == [0, 0]
    for child in children:
        child.communicate()
    with open_store(data_dir=embedded_dir, table=new_table) as store:
        record = store.get("ann")
    assert record is not None
    assert record.samples == 100
    np.testing.assert_allclose(record.centroid, [0.5**0.5, 0.5**0.5, 0, 0], atol=1e-6)


def test_last_one_out_stops_the_server(idle_dir: Path, new_table: str) -> None:
    with open_store(data_dir=idle_dir, table=new_table) as store:
        server = postmaster(idle_dir)
        run_child("open_store().close()", idle_dir, new_table)
        assert lives(server)
        assert store.count() == 0
    assert not lives(server)


def test_reopening_in_the_same_process(idle_dir: Path, new_table: str) -> None:
    with open_store(data_dir=idle_dir, table=new_table) as store:
        store.enrol("ann", axis(0))
    with (
        open_store(data_dir=idle_dir, table=new_table) as first,
        open_store(data_dir=idle_dir, table=new_table) as second,
    ):
        first.close()
        assert second.count() == 1


def test_leaving_without_close_is_silent_and_stops_the_server(
    idle_dir: Path, new_table: str
) -> None:
    script = "store = open_store(); print(open(data_dir + '/postmaster.pid').readline())"
    assert not lives(int(run_child(script, idle_dir, new_table)))


def test_killed_process_does_not_keep_the_server(idle_dir: Path, new_table: str) -> None:
    child = start_child("open_store(); os.kill(os.getpid(), signal.SIGKILL)", idle_dir, new_table)
    child.communicate(timeout=60)
    open_store(data_dir=idle_dir, table=new_table).close()
    assert not (idle_dir / "postmaster.pid").exists()


@pytest.mark.parametrize("close_first", [True, False])
def test_killed_server_comes_back(idle_dir: Path, new_table: str, close_first: bool) -> None:
    store = open_store(data_dir=idle_dir, table=new_table)
    store.enrol("ann", axis(0))
    os.kill(postmaster(idle_dir), signal.SIGKILL)
    if close_first:
        store.close()
    with open_store(data_dir=idle_dir, table=new_table) as again:
        assert again.count() == 1
        store.close()
        assert again.count() == 1


def test_pid_of_a_stranger_is_no_server(idle_dir: Path, new_table: str) -> None:
    """As after a restart of the machine: another program has the pid of the old server."""
    open_store(data_dir=idle_dir, table=new_table).close()
    lines = [os.getpid(), idle_dir, 0, 5432, idle_dir, "", "0 0", "ready"]
    (idle_dir / "postmaster.pid").write_text("".join(f"{line}\n" for line in lines))
    with open_store(data_dir=idle_dir, table=new_table) as store:
        assert store.count() == 0


def making(data_dir: Path) -> tuple[subprocess.Popen[str], list[Any]]:
    """A process that makes a gallery at this moment, and the processes that do it for it."""
    child = start_child("open_store()", data_dir)
    while not (data_dir / "base" / "1" / "PG_VERSION").exists():
        assert child.poll() is None
    return child, psutil.Process(child.pid).children(recursive=True)


def test_a_folder_whose_making_was_killed_is_made_anew(folder: Path) -> None:
    """All processes at once, as a container's or a machine's end does it."""
    child, helpers = making(folder / "pg")
    for process in [child, *helpers]:
        process.kill()
    child.communicate(timeout=60)
    with open_store(data_dir=folder / "pg") as store:
        store.enrol("ann", axis(0))
    with open_store(data_dir=folder / "pg") as store:
        assert store.count() == 1
    assert sorted(path.name for path in folder.iterdir()) == [".pg.lock", "pg"]


def test_a_making_that_fails_is_tried_again(folder: Path) -> None:
    child, helpers = making(folder / "pg")
    for process in helpers:
        process.kill()
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors


def test_folder_of_something_else_is_left_alone(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="not empty"):
        open_store(data_dir=folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_folder_that_cannot_be_made_is_named(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        open_store(data_dir=folder / "file" / "postgres")


def test_other_version_of_postgres_is_named(folder: Path) -> None:
    (folder / "PG_VERSION").write_text("16\n")
    with pytest.raises(StoreError, match="another PostgreSQL version"):
        open_store(data_dir=folder)


@pytest.mark.parametrize("name", ["it's a spaced, é", "x" * 150])
def test_awkward_folders(folder: Path, name: str) -> None:
    with open_store(data_dir=folder / name) as store:
        assert store.count() == 0


def test_folder_that_a_shell_would_expand_is_refused(folder: Path) -> None:
    with pytest.raises(StoreError, match="in a path"):
        open_store(data_dir=folder / "$(touch owned)")
    assert list(folder.iterdir()) == []


def test_server_that_cannot_start_is_one_sentence(folder: Path) -> None:
    (folder / "PG_VERSION").write_text("18\n")
    with pytest.raises(StoreError, match=r"does not start in .*: see .*log$"):
        open_store(data_dir=folder)
