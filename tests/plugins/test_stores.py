"""The conformance suite on each first-party store."""

from __future__ import annotations

from pathlib import Path

import pytest

from facenet.plugins import Registry
from facenet.testing import OpenStore, StoreSuite
from facenet.testing.galleries import DIM, SPACE

from .postgres import TcpServer


def opener(plugin: str, **options: object) -> OpenStore:
    store = Registry().load("store", plugin)
    parsed = store.parse_options(options)
    return lambda embedding_dim=DIM, space=SPACE: store.make(
        parsed, embedding_dim=embedding_dim, space=space
    )


class TestMemory(StoreSuite):
    persistent = False

    @pytest.fixture
    def open_store(self) -> OpenStore:
        return opener("memory")


class TestMilvus(StoreSuite):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        pytest.importorskip("pymilvus", reason="needs facenet-kit[milvus]")
        return opener("milvus", uri=str(tmp_path / "faces.db"))


class TestEmbeddedPostgres(StoreSuite):
    @pytest.fixture
    def open_store(self, embedded_dir: Path, new_table: str) -> OpenStore:
        return opener("pgvector", data_dir=embedded_dir, table=new_table)


class TestPostgresOverTcp(StoreSuite):
    @pytest.fixture
    def open_store(self, tcp_server: TcpServer) -> OpenStore:
        return opener("pgvector", **tcp_server.options())
