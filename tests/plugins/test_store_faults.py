"""What the PostgreSQL store does when the server, the network or the disk fails under it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from facenet.errors import StoreError
from facenet.testing.galleries import axis, directions

from .postgres import TcpServer, open_store
from .proxies import Proxy

if TYPE_CHECKING:
    from facenet.stores import Samples, Store
    from facenet.types import Vector

pytest.importorskip("psycopg", reason="needs facenet-kit[pgvector]")

KEYS = list("abc")


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facenet_pgvector.connections.WAIT_SECONDS", 1)


@pytest.fixture
def proxy(tcp_server: TcpServer) -> Iterator[Proxy]:
    with Proxy(tcp_server.port) as proxy:
        yield proxy


@pytest.fixture
def behind_proxy(
    tcp_server: TcpServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """A store whose every byte goes through the proxy, over one connection, which is made."""
    monkeypatch.setattr("facenet_pgvector.connections.MAX_CONNECTIONS", 1)
    with open_store(**tcp_server.options(port=proxy.port)) as store:
        store.count()
        yield store


def when(words: bytes, verdict: str) -> Callable[[bytes], str]:
    """A judge that gives its verdict once, when the client sends these words."""
    left = [verdict]
    return lambda data: left.pop() if left and words in data else "pass"


# The server goes away


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_restarted_server_is_found_again(own_tcp_server: TcpServer, mode: str) -> None:
    with open_store(**own_tcp_server.options()) as store:
        store.enrol("ann", axis(0))
        own_tcp_server.stop(mode)
        with pytest.raises(StoreError, match=r"cannot be reached: Connection refused$"):
            store.enrol("bob", axis(1))
        own_tcp_server.start()
        assert store.enrol("bob", axis(1)) == 1
        assert [record.identity for record in store.identities()] == ["ann", "bob"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "stopped"])
def test_our_own_server_is_started_again(
    folder: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facenet_pgvector.connections.WAIT_SECONDS", 30)
    with open_store(data_dir=folder / "pg") as store:
        store.enrol("ann", axis(0))
        os.kill(int((folder / "pg" / "postmaster.pid").read_text().split()[0]), number)
        while True:
            # Its orphaned processes may answer for another moment, and fall silent in a call.
            try:
                added = store.enrol("bob", axis(1), keys=["b"])
            except StoreError:
                continue
            if added == 0:
                break
        assert [record.samples for record in store.identities()] == [1, 1]


# All connections are taken


def test_a_caller_too_many_is_told_and_the_others_are_served(tcp_server: TcpServer) -> None:
    from facenet_pgvector.connections import MAX_CONNECTIONS

    inside, go_on = threading.Barrier(MAX_CONNECTIONS + 1), threading.Event()

    def slow(samples: Samples) -> Vector:
        inside.wait(60)
        go_on.wait(60)
        first: Vector = samples.embeddings[0]
        return first

    with open_store(**tcp_server.options()) as store, ThreadPoolExecutor(MAX_CONNECTIONS) as pool:
        people = [f"person-{number}" for number in range(MAX_CONNECTIONS)]
        calls = [pool.submit(store.enrol, person, axis(0), template=slow) for person in people]
        inside.wait(60)
        for call in (store.count, lambda: store.enrol("ann", axis(1))):
            with pytest.raises(StoreError, match="all are busy"):
                call()
        go_on.set()
        assert [call.result(60) for call in calls] == [1] * MAX_CONNECTIONS
        assert store.count() == MAX_CONNECTIONS


# The disk is full


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 160 MB; skips, visibly, where none may be mounted."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_full_disk_is_told_and_leaves_nothing_half_done(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facenet_pgvector.connections.WAIT_SECONDS", 10)
    done = 0

    def enrol_until_full() -> None:
        nonlocal done
        while True:
            done += store.enrol("ann", directions(3), crops=[os.urandom(200_000)] * 3)

    with open_store(data_dir=small_disk / "pg") as store:
        free = os.statvfs(small_disk)
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(free.f_bavail * free.f_bsize - 10 * 2**20))
        with pytest.raises(StoreError, match=r"is full|No space left on device"):
            enrol_until_full()
        ballast.unlink()
        held = store.samples("ann")
        assert len(held.weights) in (done, done + 3)
        assert store.stats().samples == len(held.weights) == len(store.crops("ann"))
        assert store.enrol("bob", axis(1)) == 1


# The network breaks


def test_a_cut_in_the_middle_undoes_the_enrolment(behind_proxy: Store, proxy: Proxy) -> None:
    behind_proxy.enrol("ann", axis(0), keys=["before"])
    sent = 0

    def cut_after(data: bytes) -> str:
        nonlocal sent
        sent += len(data)
        return "cut" if 20_000 < sent < 500_000 else "pass"

    proxy.judge = cut_after
    with pytest.raises(StoreError, match=r"connection to .* was lost") as caught:
        behind_proxy.enrol("ann", directions(3), keys=KEYS, crops=[bytes(100_000)] * 3)
    assert "unknown" not in str(caught.value)
    proxy.judge = lambda data: "pass"
    assert behind_proxy.stats().samples == 1
    assert behind_proxy.enrol("ann", directions(3), keys=KEYS) == 3


@pytest.mark.parametrize(("verdict", "added_again"), [("cut", 3), ("answerless", 0)])
def test_a_cut_at_the_commit_is_said_to_be_unknown_and_may_be_repeated(
    behind_proxy: Store, proxy: Proxy, verdict: str, added_again: int
) -> None:
    """The client cannot tell a commit that never arrived from one whose answer was lost."""
    proxy.judge = when(b"COMMIT", verdict)
    with pytest.raises(StoreError, match="whether this change was made is unknown: repeat it"):
        behind_proxy.enrol("ann", directions(3), keys=KEYS)
    assert behind_proxy.enrol("ann", directions(3), keys=KEYS) == added_again
    record = behind_proxy.get("ann")
    assert record is not None
    assert record.samples == 3
    mean = directions(3).sum(axis=0)
    np.testing.assert_allclose(record.centroid, mean / np.linalg.norm(mean), atol=1e-6)


def test_a_cut_at_the_end_of_a_question_is_only_a_lost_connection(
    behind_proxy: Store, proxy: Proxy
) -> None:
    behind_proxy.enrol("ann", axis(0))
    proxy.judge = when(b"COMMIT", "cut")
    with pytest.raises(StoreError, match="was lost") as caught:
        behind_proxy.get("ann")
    assert "unknown" not in str(caught.value)


@pytest.mark.parametrize("words", [b"identities", b"COMMIT"], ids=["statement", "commit"])
def test_a_server_that_never_answers_is_given_up(
    behind_proxy: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, words: bytes
) -> None:
    monkeypatch.setattr("facenet_pgvector.connections.ANSWER_SECONDS", 1)
    proxy.judge = when(words, "swallow")
    with pytest.raises(StoreError, match="no answer within 1 s"):
        behind_proxy.enrol("ann", axis(0), keys=["a"])
    assert behind_proxy.enrol("ann", axis(0), keys=["a"]) == 1


def test_an_idle_connection_that_fell_silent_is_replaced(behind_proxy: Store, proxy: Proxy) -> None:
    behind_proxy.enrol("ann", axis(0))
    proxy.judge = when(b"", "swallow")
    assert behind_proxy.count() == 1


def test_a_server_that_never_lets_in_is_given_up(tcp_server: TcpServer, proxy: Proxy) -> None:
    proxy.judge = lambda data: "swallow"
    with pytest.raises(StoreError, match="cannot be reached"):
        open_store(**tcp_server.options(port=proxy.port))
