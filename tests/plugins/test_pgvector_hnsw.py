"""Search by the server's own index, for galleries that outgrow the memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from facenet.stores import Addition
from facenet.testing.galleries import unit

from .postgres import TcpServer, open_store

if TYPE_CHECKING:
    from facenet.stores import Match, Store
    from facenet.types import Vector

psycopg = pytest.importorskip("psycopg", reason="needs facenet-kit[pgvector]")

COUNT, PATIENCE = 400, 60


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facenet_pgvector.server_search.FEW", COUNT // 2)


def vectors(dim: int) -> Vector:
    return unit(np.random.default_rng(0).standard_normal((COUNT, dim)))


def filled(dim: int, **options: Any) -> Store:
    store = open_store(dim, **options)
    store.enrol_many([Addition(f"{row:03}", vector) for row, vector in enumerate(vectors(dim))])
    return store


def indexes(server: TcpServer, table: str) -> list[tuple[str, bool]]:
    """The operator class of each HNSW index of a gallery, and whether it is ready.

    Read from the catalogue's rows alone: `pg_get_indexdef` fails on an index that is dropped
    meanwhile.
    """
    with server.connect() as connection:
        return connection.execute(
            "SELECT opcname, indisvalid FROM pg_index"
            " JOIN pg_class ON pg_class.oid = indexrelid"
            " JOIN pg_am ON pg_am.oid = relam AND amname = 'hnsw'"
            " JOIN pg_opclass ON pg_opclass.oid = indclass[0]"
            " WHERE indrelid = %s::regclass",
            [f"{table}_identities"],
        ).fetchall()


def until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it does not come to hold"
        time.sleep(0.1)


def is_indexed(server: TcpServer, options: dict[str, Any]) -> bool:
    return [valid for _, valid in indexes(server, options["table"])] == [True]


def best(store: Store, probes: Vector, count: int) -> list[list[str]]:
    return [[match.identity for match in answer] for answer in store.search(probes, top_k=count)]


@pytest.mark.parametrize(
    ("dim", "kind"),
    [(8, "vector"), (2001, "halfvec"), (4001, None)],
    ids=["vector", "halfvec", "none"],
)
def test_the_index_is_made_and_its_answers_are_those_of_a_comparison(
    tcp_server: TcpServer, dim: int, kind: str | None
) -> None:
    options = tcp_server.options(index_memory=0)
    with filled(dim, **options) as store:
        compared = best(store, vectors(dim)[:20], 5)
        assert [names[0] for names in compared] == [f"{row:03}" for row in range(20)]
        if kind is None:
            assert indexes(tcp_server, options["table"]) == []
            return
        until(lambda: is_indexed(tcp_server, options))
        assert indexes(tcp_server, options["table"]) == [(f"{kind}_cosine_ops", True)]
        assert best(store, vectors(dim)[:20], 5) == compared
        store.enrol("new", -vectors(dim)[0])
        [[match, *others]] = store.search(-vectors(dim)[0])
        assert (match.identity, len(others)) == ("new", 4)
        np.testing.assert_allclose(match.similarity, 1, atol=1e-6)


def test_all_rows_that_are_asked_for_come_back(tcp_server: TcpServer) -> None:
    options = tcp_server.options(index_memory=0)
    with filled(8, **options) as store:
        best(store, vectors(8)[:1], 1)
        until(lambda: is_indexed(tcp_server, options))
        for count in (1, 100, 230, 300, COUNT, 10 * COUNT):
            [answer] = store.search(vectors(8)[7], top_k=count)
            assert len(answer) == min(count, COUNT)
            assert answer == sorted(answer, key=_order)


def _order(match: Match) -> tuple[float, str]:
    return -match.similarity, match.identity


def test_an_index_that_was_left_half_made_is_made_anew(tcp_server: TcpServer) -> None:
    options = tcp_server.options(index_memory=0)
    with filled(8, **options) as store:
        best(store, vectors(8)[:1], 1)
        until(lambda: is_indexed(tcp_server, options))
    with tcp_server.connect() as connection:
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass",
            [f"{options['table']}_hnsw"],
        )
    with open_store(8, **options) as store:
        assert best(store, vectors(8)[3:4], 1) == [["003"]]
        until(lambda: is_indexed(tcp_server, options))


def test_who_may_make_no_index_is_answered_all_the_same(
    tcp_server: TcpServer, caplog: pytest.LogCaptureFixture
) -> None:
    options = tcp_server.options(index_memory=0)
    filled(8, **options).close()
    table = options["table"]
    with tcp_server.connect() as connection:
        connection.execute(f"CREATE USER reader_{table} PASSWORD 'reader'")
        for part in ("", "_identities", "_meta", "_forgotten"):
            connection.execute(f"GRANT SELECT ON {table}{part} TO reader_{table}")
    reader = options | {"user": f"reader_{table}", "password": "reader"}
    with open_store(8, **reader) as store:
        assert best(store, vectors(8)[3:4], 1) == [["003"]]
        until(lambda: "no HNSW index was made" in caplog.text)
        assert best(store, vectors(8)[3:4], 1) == [["003"]]
