"""The place of a PostgreSQL gallery: seen, stopped, dumped and restored, on real servers."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from facenet.errors import FacenetError, StoreError
from facenet.plugins import Registry
from facenet.testing.galleries import axis, directions, everything, held, names

from .postgres import TcpServer, open_store

if TYPE_CHECKING:
    from facenet.stores import Store, StoreManager, StoreStatus

pytest.importorskip("psycopg", reason="needs facenet-kit[pgvector]")

HOLD = """
import sys
from facenet.plugins import Registry
options = {"data_dir": sys.argv[1]}
with Registry().load("store", "pgvector").make_from(options, embedding_dim=4, space="s"):
    print("open", flush=True)
    sys.stdin.read()
"""


def manager(**options: Any) -> StoreManager:
    return Registry().load("store", "pgvector").manage_from(options)


def restore(path: Path, options: dict[str, Any], **settings: Any) -> StoreStatus:
    return manager(**options).restore(path, **{"embedding_dim": 4, "space": "s"} | settings)


@contextmanager
def used_by_another(data_dir: Path) -> Iterator[int]:
    """A process that has the gallery of a folder open."""
    command = [sys.executable, "-c", HOLD, str(data_dir)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield process.pid
        finally:
            process.stdin.close()
            process.wait(60)


@pytest.fixture(params=["embedded", "server"])
def options(request: pytest.FixtureRequest, new_table: str) -> dict[str, Any]:
    """The options of a gallery that is not there yet, in either home."""
    if request.param == "embedded":
        return {"data_dir": request.getfixturevalue("embedded_dir"), "table": new_table}
    return request.getfixturevalue("tcp_server").options()


@pytest.fixture
def filled(options: dict[str, Any]) -> dict[str, Any]:
    """The same, with a gallery that has all that one can have."""
    with open_store(**options) as store:
        fill(store)
    return options


def fill(store: Store) -> None:
    vectors = directions(9)
    crops = [b"\x89PNG\n\\.\n", None, bytes(range(256))]
    store.enrol("it's ann\n\\.", vectors[:3], keys=list("abc"), weights=[1, 0.5, 0.25], crops=crops)
    store.enrol("\N{SNOWMAN}\t\\N", vectors[3:], metadata={"team": "\N{SNOWMAN}\\"})
    store.forget("nobody")


# status


def test_status_starts_nothing_and_makes_nothing(folder: Path) -> None:
    seen = manager(data_dir=folder / "pg").status()
    assert (seen.running, seen.server, seen.identities) == (False, None, None)
    assert list(folder.iterdir()) == []


def test_status_of_a_server_at_rest(folder: Path) -> None:
    data_dir = folder / "pg"
    open_store(data_dir=data_dir).close()
    seen = manager(data_dir=data_dir).status()
    assert (seen.place, seen.running, seen.server) == (str(data_dir), False, "PostgreSQL 18")
    assert seen.size > 1_000_000
    assert not (data_dir / "postmaster.pid").exists()


def test_status_of_a_gallery(filled: dict[str, Any]) -> None:
    seen = manager(**filled).status()
    assert seen.running
    assert seen.server.startswith("PostgreSQL 18.")
    assert "pgvector 0." in seen.server
    assert (seen.identities, seen.samples) == (2, 9)
    assert (seen.embedding_dim, seen.space) == (4, "s")
    assert seen.schema_version >= 4
    assert seen.size > 10_000


def test_status_where_there_is_no_gallery(options: dict[str, Any]) -> None:
    seen = manager(**options).status()
    assert (seen.running, seen.schema_version, seen.identities) == (True, None, None)


def test_status_names_the_users(folder: Path) -> None:
    with used_by_another(folder / "pg") as pid:
        assert manager(data_dir=folder / "pg").status().users == (pid,)


# stop


def test_stop_waits_for_the_users_or_is_forced(folder: Path) -> None:
    managed = manager(data_dir=folder / "pg")
    with used_by_another(folder / "pg") as pid:
        with pytest.raises(StoreError, match=rf"used by other processes \(pid {pid}\).*--force"):
            managed.stop()
        assert managed.status().running
        assert managed.stop(force=True)
        assert not managed.status().running
    assert not managed.stop()


def test_stop_of_a_server_whose_users_were_killed(folder: Path) -> None:
    script = HOLD.replace("sys.stdin.read()", "import os, signal; os.kill(os.getpid(), 9)")
    subprocess.run([sys.executable, "-c", script, str(folder / "pg")], stdout=-1)
    managed = manager(data_dir=folder / "pg")
    assert managed.status().running
    assert managed.stop()
    assert not (folder / "pg" / "postmaster.pid").exists()
    with open_store(data_dir=folder / "pg") as store:
        assert store.count() == 0


def test_stop_where_nothing_is(folder: Path) -> None:
    assert not manager(data_dir=folder / "new" / "pg").stop()
    assert list(folder.iterdir()) == []


def test_a_store_goes_on_after_a_forced_stop(folder: Path) -> None:
    with open_store(data_dir=folder / "pg") as store:
        store.enrol("ann", axis(0))
        assert manager(data_dir=folder / "pg").stop(force=True)
        assert names(store, axis(0)) == ["ann"]


def test_the_server_of_others_is_not_stopped(tcp_server: TcpServer) -> None:
    with pytest.raises(StoreError, match="not ours to stop"):
        manager(**tcp_server.options()).stop(force=True)


# dump and restore


def test_all_of_a_gallery_comes_back(filled: dict[str, Any], tmp_path: Path) -> None:
    with open_store(**filled) as store:
        before = everything(store)
        crops = store.crops("it's ann\n\\.")
        dumped = manager(**filled).dump(tmp_path / "gallery.dump")
        assert (dumped.identities, dumped.samples) == (2, 9)
        assert dumped.size == (tmp_path / "gallery.dump").stat().st_size
        store.forget("it's ann\n\\.")
        store.enrol("new", axis(1))
        restored = restore(tmp_path / "gallery.dump", filled, replace=True)
        assert (restored.identities, restored.samples) == (2, 9)
        assert everything(store) == before
        assert store.crops("it's ann\n\\.") == crops


def test_a_restored_gallery_is_used_like_any(filled: dict[str, Any], tmp_path: Path) -> None:
    """Numbers go on where they were, keys are unique, and what changes is found at once."""
    manager(**filled).dump(tmp_path / "gallery.dump")
    with open_store(**filled) as store:
        names(store, axis(0))  # it holds now in memory what it searches
        store.forget("\N{SNOWMAN}\t\\N")
        restore(tmp_path / "gallery.dump", filled, replace=True)
        assert sorted(names(store, axis(0))) == ["it's ann\n\\.", "\N{SNOWMAN}\t\\N"]
        assert store.enrol("it's ann\n\\.", directions(3), keys=list("abc")) == 0
        store.enrol("bob", axis(2), keys=["a"])
        assert names(store, axis(2), top_k=1) == ["bob"]
        with open_store(**filled) as other:
            other.forget("bob")
            other.enrol("it's ann\n\\.", axis(3), keys=["d"])
        assert "bob" not in names(store, axis(2))
        assert held(store, "it's ann\n\\.").samples == 4
        assert store.count() == 2


def test_a_dump_moves_to_another_server(
    embedded_dir: Path, tcp_server: TcpServer, new_table: str, tmp_path: Path
) -> None:
    here = {"data_dir": embedded_dir, "table": new_table}
    there = tcp_server.options(name=tcp_server.new_database(), table=new_table)
    with open_store(**here) as store:
        fill(store)
        before = everything(store)
        manager(**here).dump(tmp_path / "gallery.dump")
    restore(tmp_path / "gallery.dump", there)
    with open_store(**there) as store:
        assert everything(store) == before
        assert store.forget("it's ann\n\\.").samples == 3
        assert names(store, axis(0)) == ["\N{SNOWMAN}\t\\N"]


def test_an_older_postgres_takes_the_dump_of_a_newer_and_gives_one(
    older_tcp_server: TcpServer, filled: dict[str, Any], tmp_path: Path
) -> None:
    there = older_tcp_server.options(table=filled["table"])
    manager(**filled).dump(tmp_path / "newer.dump")
    assert restore(tmp_path / "newer.dump", there).server.startswith("PostgreSQL 16")
    manager(**there).dump(tmp_path / "older.dump")
    assert restore(tmp_path / "older.dump", filled, replace=True).samples == 9


def test_where_the_connection_is_encrypted_so_is_the_dump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The programs at hand speak no TLS, so this is only about which pg_dump is taken."""
    from facenet_pgvector.archive import write_dump
    from facenet_pgvector.tables import Tables

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreError, match="install PostgreSQL's client programs"):
        write_dump(tmp_path / "x.dump", Tables("a", "b"), {}, "snapshot", encrypted=True)
    own = tmp_path / "pg_dump"
    own.write_text("#!/bin/sh\necho 'pg_dump: error: this is mine' >&2; exit 1\n")
    own.chmod(0o755)
    with pytest.raises(StoreError, match="pg_dump failed: this is mine"):
        write_dump(tmp_path / "x.dump", Tables("a", "b"), {}, "snapshot", encrypted=True)


def test_a_new_folder_takes_a_dump(filled: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    manager(**filled).dump(tmp_path / "gallery.dump")
    new = {"data_dir": folder / "pg", "table": filled["table"]}
    assert restore(tmp_path / "gallery.dump", new).samples == 9
    assert not (folder / "pg" / "postmaster.pid").exists()


def test_a_dump_is_for_its_owner_alone(filled: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "gallery.dump"
    manager(**filled).dump(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["gallery.dump"]


def test_a_dump_holds_this_gallery_alone(options: dict[str, Any], tmp_path: Path) -> None:
    """Another gallery, whose name begins with that of this one, is none of its business."""
    other = options | {"table": f"{options['table']}_other"}
    for each, name in ((options, "ann"), (other, "bob")):
        with open_store(**each) as store:
            store.enrol(name, axis(0))
    manager(**options).dump(tmp_path / "gallery.dump")
    with open_store(**other) as store:
        store.enrol("carl", axis(1))
        restore(tmp_path / "gallery.dump", options, replace=True)
        assert store.count() == 2


def test_names_in_upper_case(options: dict[str, Any], tmp_path: Path) -> None:
    options |= {"table": options["table"].upper(), "identity_table": f"{options['table']}People"}
    with open_store(**options) as store:
        store.enrol("ann", axis(0))
    manager(**options).dump(tmp_path / "gallery.dump")
    assert restore(tmp_path / "gallery.dump", options, replace=True).identities == 1


def test_the_password_stands_on_no_command_line(
    tcp_server: TcpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = tcp_server.options()
    open_store(**options).close()
    seen: list[list[str]] = []
    run = subprocess.run

    def watched(command: Any, *rest: Any, **settings: Any) -> Any:
        seen.append([str(word) for word in command])
        return run(command, *rest, **settings)

    monkeypatch.setattr(subprocess, "run", watched)
    manager(**options).dump(tmp_path / "gallery.dump")
    assert any("pg_dump" in command[0] for command in seen)
    assert options["password"] not in str(seen)


def test_a_gallery_is_replaced_only_when_asked(filled: dict[str, Any], tmp_path: Path) -> None:
    manager(**filled).dump(tmp_path / "gallery.dump")
    with open_store(**filled) as store:
        store.enrol("new", axis(1))
        with pytest.raises(StoreError, match=r"has a gallery .* already: give --replace"):
            restore(tmp_path / "gallery.dump", filled)
        assert store.count() == 3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"space": "other"},
            "bound to embedding space 's' of dimension 4; the model gives 'other'",
        ),
        ({"embedding_dim": 8}, "of dimension 4; the model gives 's' of dimension 8"),
    ],
)
def test_the_dump_of_another_model_is_refused(
    filled: dict[str, Any], tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    path = tmp_path / "gallery.dump"
    manager(**filled).dump(path)
    with open_store(**filled) as store:
        store.enrol("new", axis(1))
        before = everything(store)
        with pytest.raises(StoreError, match=message) as caught:
            restore(path, filled, replace=True, **wrong)
        assert str(caught.value).startswith(f"{path}: ")
        assert everything(store) == before
        assert names(store, axis(1), top_k=1) == ["new"]


@pytest.mark.parametrize("kept", [0, 30, 0.3, 0.6, 0.9, 0.999])
def test_half_a_dump_changes_nothing(filled: dict[str, Any], tmp_path: Path, kept: float) -> None:
    path = tmp_path / "gallery.dump"
    with open_store(**filled) as store:
        store.enrol("many", directions(500), crops=[os.urandom(200)] * 500)
        manager(**filled).dump(path)
        content = path.read_bytes()
        path.write_bytes(content[: int(kept if kept >= 1 else kept * len(content))])
        before = everything(store)
        with pytest.raises(StoreError, match="is no whole dump") as caught:
            restore(path, filled, replace=True)
        assert "\n" not in str(caught.value)
        assert everything(store) == before
        store.enrol("ann", axis(0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a dump at all", "does not appear to be a valid archive"),
        (b"--\n-- PostgreSQL database dump\n--\n", "is no whole dump: "),
        (None, "no such file"),
    ],
)
def test_what_is_no_dump_is_named(
    folder: Path, tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "gallery.dump"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreError, match=message) as caught:
        restore(path, {"data_dir": folder / "pg"})
    assert str(path) in str(caught.value)
    assert list(folder.iterdir()) == []


def test_the_dump_of_other_tables_is_refused(filled: dict[str, Any], tmp_path: Path) -> None:
    manager(**filled).dump(tmp_path / "gallery.dump")
    with pytest.raises(StoreError, match=f"holds the tables {filled['table']}, .*not the gallery"):
        restore(tmp_path / "gallery.dump", filled | {"table": "elsewhere"})


def test_where_there_is_no_gallery_nothing_is_dumped(
    options: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match=r"has no gallery .*: nothing to dump"):
        manager(**options).dump(tmp_path / "gallery.dump")
    with pytest.raises(StoreError, match=r"there is no gallery in .*: nothing to dump"):
        manager(data_dir=folder / "pg").dump(tmp_path / "gallery.dump")
    assert [*tmp_path.iterdir(), *folder.iterdir()] == []


def test_a_dump_that_finds_no_room_leaves_the_former_one(
    filled: dict[str, Any], tmp_path: Path, full_disk: Any
) -> None:
    path = tmp_path / "gallery.dump"
    path.write_text("the former one")
    with pytest.raises(FacenetError) as caught, full_disk(1000):
        manager(**filled).dump(path)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "the former one"
    assert os.listdir(tmp_path) == ["gallery.dump"]


def test_an_older_gallery_is_dumped_and_comes_back_as_a_new_one(
    tcp_server: TcpServer, tmp_path: Path
) -> None:
    options = tcp_server.options()
    table = options["table"]
    with open_store(**options) as store:
        fill(store)
        before = everything(store)
    with tcp_server.connect() as connection:
        connection.execute(
            f"ALTER TABLE {table}_identities DROP COLUMN changed; DROP TABLE {table}_forgotten;"
            f"DROP FUNCTION {table}_note_change CASCADE; DROP FUNCTION {table}_note_end CASCADE;"
            f"DROP TABLE {table}_log, {table}_undo; ALTER TABLE {table}_meta DROP COLUMN state;"
            f"DROP INDEX {table}_identities_metadata_idx;"
            f"UPDATE {table}_meta SET schema_version = 3"
        )
    dumped = manager(**options).dump(tmp_path / "gallery.dump")
    assert dumped.schema_version == 3
    assert restore(tmp_path / "gallery.dump", options, replace=True).schema_version > 3
    with open_store(**options) as store:
        assert everything(store) == before
