"""Galleries that an older facenet made: brought to this version when they are opened."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from facenet.errors import StoreError
from facenet.testing.galleries import axis, heaviest, held, names, unit

from .postgres import TcpServer, open_store

psycopg = pytest.importorskip("psycopg", reason="needs facenet-kit[pgvector]")

VERSION_1 = """
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE {t}_identities (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    name_digest bytea NOT NULL UNIQUE,
    samples bigint NOT NULL,
    vector_sum vector(4) NOT NULL,
    centroid vector(4) GENERATED ALWAYS AS (l2_normalize(vector_sum)) STORED,
    metadata jsonb NOT NULL
);
ALTER TABLE {t}_identities ALTER COLUMN centroid SET STORAGE MAIN;
CREATE TABLE {t} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity_id bigint NOT NULL REFERENCES {t}_identities ON DELETE CASCADE,
    embedding vector(4) NOT NULL,
    key text,
    key_digest bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (identity_id, key_digest)
);
CREATE TABLE {t}_meta (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    schema_version integer NOT NULL,
    identity_table text NOT NULL,
    embedding_dim integer NOT NULL,
    space text NOT NULL
);
INSERT INTO {t}_meta (schema_version, identity_table, embedding_dim, space)
VALUES (1, '{t}_identities', 4, 's');
"""
ENROLLED_1 = """
INSERT INTO {t}_identities AS held (name, name_digest, samples, vector_sum, metadata)
VALUES ('ann', sha256('ann'), 2, '[1,1,0,0]', '{{"team": "red"}}')
ON CONFLICT (name_digest) DO UPDATE SET metadata = held.metadata || EXCLUDED.metadata;
INSERT INTO {t} (identity_id, embedding, key, key_digest)
VALUES (1, '[1,0,0,0]', 'a', sha256('a')), (1, '[0,1,0,0]', NULL, NULL);
"""
VERSION_2 = (
    VERSION_1.replace("GENERATED ALWAYS AS (l2_normalize(vector_sum)) STORED", "NOT NULL")
    .replace("DEFAULT now(),", "DEFAULT now(),\n    weight real NOT NULL DEFAULT 1,")
    .replace("VALUES (1,", "VALUES (2,")
)
ENROLLED_2 = """
INSERT INTO {t}_identities (name, name_digest, samples, vector_sum, centroid, metadata)
VALUES (
    'ann', sha256('ann'), 2,
    '[1,0.5,0,0]', l2_normalize('[1,0.5,0,0]'::vector), '{{"team": "red"}}'
);
INSERT INTO {t} (identity_id, embedding, weight, key, key_digest)
VALUES (1, '[1,0,0,0]', 1, 'a', sha256('a')), (1, '[0,1,0,0]', 0.5, NULL, NULL);
"""
VERSION_3 = (
    VERSION_2.replace("VALUES (2,", "VALUES (3,")
    + """
ALTER TABLE {t} ADD COLUMN crop bytea;
ALTER TABLE {t} ALTER COLUMN crop SET STORAGE EXTERNAL;
"""
)
COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod), attnotnull, attgenerated, attstorage
FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum
"""


@pytest.fixture
def version_1(tcp_server: TcpServer) -> dict[str, Any]:
    """The options of a gallery as version 1 left it: two samples of ann."""
    options = tcp_server.options()
    run(tcp_server, VERSION_1 + ENROLLED_1, options["table"])
    return options


@pytest.fixture
def version_2(tcp_server: TcpServer) -> dict[str, Any]:
    """The options of a gallery as version 2 left it: two samples of ann."""
    options = tcp_server.options()
    run(tcp_server, VERSION_2 + ENROLLED_2, options["table"])
    return options


@pytest.fixture
def version_3(tcp_server: TcpServer) -> dict[str, Any]:
    """The options of a gallery as version 3 left it: two samples of ann."""
    options = tcp_server.options()
    run(tcp_server, VERSION_3 + ENROLLED_2, options["table"])
    return options


@pytest.fixture(params=["version_1", "version_2", "version_3"])
def older(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of a gallery of each."""
    return request.getfixturevalue(request.param)


def run(server: TcpServer, statements: str, table: str) -> None:
    with server.connect() as connection:
        connection.execute(statements.format(t=table))


def schema_version(server: TcpServer, table: str) -> int:
    with server.connect() as connection:
        [version] = connection.execute(f"SELECT schema_version FROM {table}_meta").fetchone()
        return version


def test_content_of_version_1_is_kept(version_1: dict[str, Any]) -> None:
    with open_store(**version_1) as store:
        ann = held(store, "ann")
        assert (ann.samples, ann.metadata) == (2, {"team": "red"})
        np.testing.assert_allclose(ann.centroid, unit(axis(0) + axis(1)), atol=1e-6)
        samples = store.samples("ann")
    np.testing.assert_array_equal(samples.embeddings, [axis(0), axis(1)])
    np.testing.assert_array_equal(samples.weights, [1, 1])


def test_version_1_takes_weights_and_templates(version_1: dict[str, Any]) -> None:
    with open_store(**version_1) as store:
        assert store.enrol("ann", axis(2), keys=["a"], weights=[0.5]) == 0
        assert store.enrol("ann", axis(2), weights=[0.5]) == 1
        mean = unit(axis(0) + axis(1) + 0.5 * axis(2))
        np.testing.assert_allclose(held(store, "ann").centroid, mean, atol=1e-6)
        store.enrol("ann", axis(3), weights=[0.1], template=heaviest)
    with open_store(**version_1) as store:
        assert names(store, axis(0), min_similarity=0.999) == ["ann"]


def test_content_of_version_2_is_kept(version_2: dict[str, Any]) -> None:
    with open_store(**version_2) as store:
        ann = held(store, "ann")
        assert (ann.samples, ann.metadata) == (2, {"team": "red"})
        np.testing.assert_allclose(ann.centroid, unit(axis(0) + 0.5 * axis(1)), atol=1e-6)
        samples = store.samples("ann")
    np.testing.assert_array_equal(samples.embeddings, [axis(0), axis(1)])
    np.testing.assert_array_equal(samples.weights, [1, 0.5])


def test_only_what_is_enrolled_from_now_on_has_crops(older: dict[str, Any]) -> None:
    with open_store(**older) as store:
        assert store.crops("ann") == [None, None]
        store.enrol("ann", axis(2), crops=[b"face"])
    with open_store(**older) as store:
        assert store.crops("ann") == [None, None, b"face"]
        assert store.forget("ann").samples == 3


def test_upgraded_tables_are_like_new_ones(tcp_server: TcpServer, older: dict[str, Any]) -> None:
    new = tcp_server.options()
    for options in (older, new):
        open_store(**options).close()
    with tcp_server.connect() as connection:
        for suffix in ("", "_identities", "_meta", "_forgotten", "_log", "_undo"):
            old, fresh = (
                connection.execute(COLUMNS, [options["table"] + suffix]).fetchall()
                for options in (older, new)
            )
            assert old == fresh
    assert schema_version(tcp_server, older["table"]) == 5


def test_many_may_upgrade_at_once(older: dict[str, Any]) -> None:
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(lambda _: open_store(**older), range(6)))
    for store in stores:
        assert store.count() == 1
        store.close()


def test_version_1_that_still_runs_leaves_no_stale_centroid(
    tcp_server: TcpServer, version_1: dict[str, Any]
) -> None:
    open_store(**version_1).close()
    with pytest.raises(psycopg.errors.NotNullViolation, match="centroid"):
        run(tcp_server, ENROLLED_1, version_1["table"])


def test_version_2_that_still_runs_enrols_without_crops(
    tcp_server: TcpServer, version_2: dict[str, Any]
) -> None:
    with open_store(**version_2) as store:
        statement = "INSERT INTO {t} (identity_id, embedding, weight) VALUES (1, '[0,0,1,0]', 1)"
        run(tcp_server, statement, version_2["table"])
        assert store.crops("ann") == [None, None, None]


def test_what_version_3_changes_is_found(tcp_server: TcpServer, version_3: dict[str, Any]) -> None:
    with open_store(**version_3) as store:
        assert names(store, axis(0)) == ["ann"]
        run(tcp_server, ENROLLED_2.replace("ann", "bob").replace("(1,", "(2,"), version_3["table"])
        assert names(store, axis(0)) == ["ann", "bob"]
        run(tcp_server, "DELETE FROM {t}_identities WHERE name = 'ann'", version_3["table"])
        assert names(store, axis(0)) == ["bob"]


def test_gallery_of_another_space_is_not_upgraded(
    tcp_server: TcpServer, version_1: dict[str, Any]
) -> None:
    with pytest.raises(StoreError, match="bound to embedding space 's'"):
        open_store(**version_1, space="other")
    assert schema_version(tcp_server, version_1["table"]) == 1


@pytest.mark.parametrize("version", [0, 6])
def test_other_versions_are_refused(
    tcp_server: TcpServer, version_1: dict[str, Any], version: int
) -> None:
    run(tcp_server, f"UPDATE {{t}}_meta SET schema_version = {version}", version_1["table"])
    with pytest.raises(StoreError, match=f"schema version {version}, but this facenet reads 5"):
        open_store(**version_1)
    assert schema_version(tcp_server, version_1["table"]) == version
