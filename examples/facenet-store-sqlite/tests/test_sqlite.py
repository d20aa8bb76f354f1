"""The store keeps the promises of every store, and those of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facenet.errors import StoreError
from facenet.plugins import Registry
from facenet.testing import StoreSuite
from facenet.testing.galleries import DIM, SPACE, OpenStore, axis, directions


def opened(path: Path, **binding: Any) -> Any:
    plugin = Registry().load("store", "sqlite")
    values: dict[str, Any] = {"embedding_dim": DIM, "space": SPACE} | binding
    return plugin.make_from({"path": str(path)}, **values)


class TestSqlite(StoreSuite):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return lambda embedding_dim=DIM, space=SPACE: opened(
            tmp_path / "faces.sqlite", embedding_dim=embedding_dim, space=space
        )


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ann, " * 200)
    with pytest.raises(StoreError, match=r"letter\.txt: file is not a database"):
        opened(path)
    assert path.read_text() == "Dear Ann, " * 200


def test_an_enrolment_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def no_template(_samples: Any) -> Any:
        raise RuntimeError("interrupted")

    with opened(tmp_path / "faces.sqlite") as store:
        store.enrol("ann", directions(2))
        for name in ("ann", "bob"):
            with pytest.raises(RuntimeError, match="interrupted"):
                store.enrol(name, axis(0), template=no_template)
        stats = store.stats()
    assert (stats.identities, stats.samples) == (1, 2)
