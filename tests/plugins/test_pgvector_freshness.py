"""Search in memory: what was committed before a search began, by whomever, is seen by it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from facenet.errors import StoreError
from facenet.stores import Addition
from facenet.testing.galleries import axis, directions, names

from .postgres import TcpServer, open_store

if TYPE_CHECKING:
    from facenet.stores import Store

pytest.importorskip("psycopg", reason="needs facenet-kit[pgvector]")


@pytest.fixture
def options(tcp_server: TcpServer) -> dict[str, Any]:
    return tcp_server.options()


@pytest.fixture
def two(options: dict[str, Any]) -> Iterator[tuple[Store, Store]]:
    """Two stores of one gallery, which share nothing in this process; ann is enrolled, and both
    have searched."""
    with ExitStack() as stack:
        here, there = (stack.enter_context(open_store(**options)) for _ in range(2))
        here.enrol("ann", axis(0))
        assert names(here, axis(0)) == names(there, axis(0)) == ["ann"]
        yield here, there


def test_what_another_enrols_changes_and_forgets_is_seen_at_once(two: tuple[Store, Store]) -> None:
    here, there = two
    for number in range(50):
        there.enrol(f"bob {number}", axis(1))
        assert f"bob {number}" in names(here, axis(1), top_k=100)
        there.enrol("ann", axis(2), metadata={"number": number})
        [match] = here.search(axis(0), top_k=1)[0]
        assert (match.samples, match.metadata) == (number + 2, {"number": number})
        there.forget(f"bob {number}")
        assert names(here, axis(1), top_k=100) == ["ann"]


def test_one_that_is_forgotten_and_enrolled_again_is_new(two: tuple[Store, Store]) -> None:
    here, there = two
    there.forget("ann")
    there.enrol("ann", axis(1))
    [match] = here.search(axis(1))[0]
    assert (match.similarity, match.samples) == (1.0, 1)


def test_many_additions_at_once_are_seen(
    two: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facenet_pgvector.replica.MANY_CHANGES", 300)
    here, there = two
    for part, size in enumerate([200, 400]):  # applied, and read anew
        there.enrol_many(
            [Addition(f"{part}-{row}", vector) for row, vector in enumerate(directions(size, part))]
        )
        assert names(here, directions(size, part)[size - 1], top_k=1) == [f"{part}-{size - 1}"]


def test_what_began_before_and_is_committed_after_others_is_seen(
    two: tuple[Store, Store],
) -> None:
    here, there = two
    inside, go_on = threading.Event(), threading.Event()

    def slow(samples: Any) -> Any:
        inside.set()
        assert go_on.wait(60)
        return samples.embeddings[0]

    with ThreadPoolExecutor() as pool:
        enrolment = pool.submit(there.enrol, "slow", axis(3), template=slow)
        assert inside.wait(60)
        for number in range(3):
            there.enrol(f"quick {number}", axis(3))
            expected = [f"quick {earlier}" for earlier in range(number + 1)]
            assert names(here, axis(3), min_similarity=0.5) == expected
        go_on.set()
        enrolment.result()
    assert names(here, axis(3), min_similarity=0.5) == [*expected, "slow"]


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("DELETE FROM {t}_identities WHERE name = 'bob'", ["ann"]),
        (
            "UPDATE {t}_identities SET name = 'eve', name_digest = '' WHERE name = 'bob'",
            ["ann", "eve"],
        ),
        ("TRUNCATE {t}_identities CASCADE", []),
    ],
    ids=["delete", "update", "truncate"],
)
def test_what_an_administrator_does_by_sql_is_seen(
    tcp_server: TcpServer,
    options: dict[str, Any],
    two: tuple[Store, Store],
    statement: str,
    left: list[str],
) -> None:
    here, there = two
    there.enrol("bob", axis(0))
    assert names(here, axis(0)) == ["ann", "bob"]
    with tcp_server.connect() as connection:
        connection.execute(statement.format(t=options["table"]))
    assert names(here, axis(0)) == left


def test_triggers_that_are_missing_are_made_again(
    tcp_server: TcpServer, options: dict[str, Any]
) -> None:
    with open_store(**options) as store:
        store.enrol("ann", axis(0))
    with tcp_server.connect() as connection:
        for trigger in ("note_change", "note_end"):
            connection.execute(f"DROP TRIGGER {trigger} ON {options['table']}_identities")
    with open_store(**options) as here, open_store(**options) as there:
        assert names(here, axis(0)) == ["ann"]
        there.forget("ann")
        assert names(here, axis(0)) == []


def test_changes_that_a_restored_dump_dates_in_the_future_are_seen(
    tcp_server: TcpServer, options: dict[str, Any]
) -> None:
    with open_store(**options) as store:
        store.enrol("ann", axis(0))
    table = f"{options['table']}_identities"
    with tcp_server.connect() as connection:
        connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        connection.execute(f"UPDATE {table} SET changed = '999999999999'")
        connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    with open_store(**options) as here, open_store(**options) as there:
        assert names(here, axis(0)) == ["ann"]
        there.enrol("ann", axis(1), metadata={"new": True})
        assert here.search(axis(0))[0][0].metadata == {"new": True}
    with tcp_server.connect() as connection:
        [changed] = connection.execute(f"SELECT changed::text FROM {table}").fetchone()
    assert int(changed) < 999999999999


def test_a_restart_of_the_server_is_no_end_of_a_search(own_tcp_server: TcpServer) -> None:
    options = own_tcp_server.options()
    with open_store(**options) as here:
        here.enrol("ann", axis(0))
        assert names(here, axis(0)) == ["ann"]
        own_tcp_server.stop()
        with pytest.raises(StoreError, match="Connection refused"):
            here.search(axis(0))
        own_tcp_server.start()
        with open_store(**options) as there:
            there.enrol("bob", axis(0))
        assert names(here, axis(0)) == ["ann", "bob"]


@pytest.mark.parametrize("memory", [0, 1])
def test_the_server_answers_for_a_gallery_that_outgrows_the_memory(
    options: dict[str, Any], memory: int
) -> None:
    """A MiB holds the templates of 1,500 identities of this dimension."""
    with open_store(**options, index_memory=memory) as here, open_store(**options) as there:
        for seed in range(3):
            vectors = directions(1000, seed)
            there.enrol_many(
                [Addition(f"{seed}-{row}", vector) for row, vector in enumerate(vectors)]
            )
            answer, same = (store.search(vectors[:20], top_k=7) for store in (here, there))
            for one, other in zip(answer, same, strict=True):
                assert [match.identity for match in one] == [match.identity for match in other]
                np.testing.assert_allclose(
                    [match.similarity for match in one],
                    [match.similarity for match in other],
                    atol=1e-6,
                )


def test_a_store_that_was_closed_while_it_reads_is_closed(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facenet_pgvector.replica.LOAD_SECONDS", 0)
    with open_store(**options) as store:
        store.enrol("ann", axis(0))
        assert names(store, axis(0)) == ["ann"]  # the server's answer
    with pytest.raises(StoreError, match="the store is closed"):
        store.search(axis(0))
