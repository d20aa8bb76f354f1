"""What is special to the PostgreSQL store: its options, and its failures in one sentence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facenet.errors import ConfigError, StoreError
from facenet.plugins import Registry
from facenet.testing.galleries import axis, directions, heaviest

from .postgres import TcpServer, open_store

pytest.importorskip("psycopg", reason="needs facenet-kit[pgvector]")


def plugin_options(context: dict[str, Any] | None = None, **options: Any) -> Any:
    plugin = Registry().load("store", "pgvector")
    return plugin.parse_options(options, context)


# Options


@pytest.mark.parametrize(
    "key, value",
    [("password", "x"), ("user", "ann"), ("port", 5433), ("name", "db"), ("sslmode", "require")],
)
def test_keys_of_a_server_need_host(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{key} has no meaning without host"):
        open_store(**{key: value})


def test_host_and_data_dir_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match=r"either host .* or data_dir"):
        open_store(host="db.example", data_dir="here")


@pytest.mark.parametrize("name", ['fa"ces', "faces; --", "1faces", "", "a" * 51, "faces\n", "é"])
def test_bad_table_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="no table name"):
        open_store(host="db.example", table=name)


def test_identities_need_a_table_of_their_own() -> None:
    with pytest.raises(ConfigError, match="one of their own"):
        open_store(table="people", identity_table="people")


def test_default_folder_is_beside_the_configuration(tmp_path: Path) -> None:
    beside = plugin_options({"config_dir": tmp_path})
    assert beside.data_dir == tmp_path / ".facenet" / "postgres"
    assert plugin_options({"config_dir": None}).data_dir == Path(".facenet/postgres")
    assert plugin_options(host="db.example").data_dir is None


# A server that was reached, or not


def test_backend_says_what_runs(embedded_dir: Path, new_table: str) -> None:
    with open_store(data_dir=embedded_dir, table=new_table) as store:
        assert store.stats().backend.startswith("pgvector (embedded, PostgreSQL 18.")


def test_unreachable_server_is_named(tcp_server: TcpServer) -> None:
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1 cannot be reached: Connection refused$"):
        open_store(**tcp_server.options(port=1))


def test_wrong_password_is_refused_and_not_shown(tcp_server: TcpServer) -> None:
    with pytest.raises(StoreError, match="password authentication failed") as caught:
        open_store(**tcp_server.options(password="hunter2"))
    assert "hunter2" not in repr(caught.value)
    assert str(caught.value).endswith("; check the store's user and password")


def test_missing_database_is_named(tcp_server: TcpServer) -> None:
    with pytest.raises(StoreError, match='database "nowhere" does not exist'):
        open_store(**tcp_server.options(name="nowhere"))


def test_lost_server_is_one_sentence(
    own_tcp_server: TcpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facenet_pgvector.connections.WAIT_SECONDS", 1)
    with open_store(**own_tcp_server.options()) as store:
        store.enrol("ann", axis(0))
        own_tcp_server.stop()
        with pytest.raises(StoreError, match=f"127.0.0.1:{own_tcp_server.port}") as caught:
            store.count()
    assert "\n" not in str(caught.value)


def test_cut_connection_is_replaced(tcp_server: TcpServer) -> None:
    with open_store(**tcp_server.options()) as store:
        with tcp_server.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'facenet'"
            )
        assert store.count() == 0


def test_server_without_pgvector_is_told(tcp_server: TcpServer) -> None:
    """As where only PostgreSQL was installed: here its extensions are looked for elsewhere."""
    database = tcp_server.new_database()
    with tcp_server.connect() as connection:
        connection.execute(f"ALTER DATABASE {database} SET extension_control_path = '/nowhere'")
    with pytest.raises(StoreError, match=r"has no pgvector: install 0\.8 or newer there") as caught:
        open_store(**tcp_server.options(name=database))
    assert "\n" not in str(caught.value)


def test_old_pgvector_is_refused(tcp_server: TcpServer) -> None:
    database = tcp_server.new_database()
    with tcp_server.connect(database) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute("UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'")
    with pytest.raises(StoreError, match=r"pgvector 0\.7\.4, but 0\.8.*ALTER EXTENSION"):
        open_store(**tcp_server.options(name=database))


def test_user_without_rights_is_told(tcp_server: TcpServer) -> None:
    database = tcp_server.new_database()
    with tcp_server.connect(database) as connection:
        connection.execute(f"CREATE ROLE guest_{database} LOGIN PASSWORD 'guest'")
        guest = tcp_server.options(name=database, user=f"guest_{database}", password="guest")
        with pytest.raises(StoreError, match="may not enable pgvector"):
            open_store(**guest)
        connection.execute("CREATE EXTENSION vector")
        with pytest.raises(StoreError, match=r"does not allow .* permission denied"):
            open_store(**guest)


def test_user_who_may_only_read_searches_and_changes_nothing(tcp_server: TcpServer) -> None:
    options = tcp_server.options(name=tcp_server.new_database())
    with open_store(**options) as store, tcp_server.connect(options["name"]) as connection:
        store.enrol("ann", axis(0))
        connection.execute(f"CREATE ROLE reader_{options['name']} LOGIN PASSWORD 'r'")
        connection.execute(
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_{options['name']}"
        )
    reader = options | {"user": f"reader_{options['name']}", "password": "r"}
    with open_store(**reader) as store:
        assert store.search(axis(0))[0][0].identity == "ann"
        for change in (lambda: store.enrol("bob", axis(1)), lambda: store.forget("ann")):
            with pytest.raises(
                StoreError, match=r"does not allow this user .* permission denied .*; ask"
            ):
                change()


def test_server_that_may_only_be_read_is_told(tcp_server: TcpServer) -> None:
    """As a replica is; here the database itself is set so."""
    options = tcp_server.options(name=tcp_server.new_database())
    open_store(**options).close()
    with tcp_server.connect() as connection:
        connection.execute(
            f"ALTER DATABASE {options['name']} SET default_transaction_read_only = on"
        )
    with open_store(**options) as store:
        assert store.search(axis(0)) == [[]]
        with pytest.raises(StoreError, match=r"may only be read: .*; name a server and a user"):
            store.enrol("bob", axis(1))


def test_other_dimension_says_what_to_do(tcp_server: TcpServer) -> None:
    options = tcp_server.options()
    open_store(**options).close()
    with pytest.raises(
        StoreError, match=r"of dimension 4; the model gives 's' of dimension 8: use that model, or"
    ):
        open_store(8, **options)


def test_a_strangers_table_is_left_alone(tcp_server: TcpServer, new_table: str) -> None:
    with tcp_server.connect() as connection:
        connection.execute(f"CREATE TABLE {new_table} (note text)")
        with pytest.raises(StoreError, match=f'relation "{new_table}" already exists'):
            open_store(**tcp_server.options(table=new_table))
        assert connection.execute(f"SELECT count(*) FROM {new_table}").fetchone() == (0,)


def test_other_identity_table_is_refused(embedded_dir: Path, new_table: str) -> None:
    open_store(data_dir=embedded_dir, table=new_table).close()
    with pytest.raises(StoreError, match=f"'{new_table}_identities', not in 'people'"):
        open_store(data_dir=embedded_dir, table=new_table, identity_table="people")


def test_many_may_create_the_gallery_at_once(tcp_server: TcpServer) -> None:
    options = tcp_server.options(name=tcp_server.new_database())
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(lambda _: open_store(**options), range(6)))
    for store in stores:
        assert store.count() == 0
        store.close()


def test_crops_lie_beside_what_is_read_without_them(tcp_server: TcpServer) -> None:
    options = tcp_server.options()
    with open_store(**options) as store, tcp_server.connect() as connection:
        store.enrol("ann", directions(9), crops=[bytes(100_000)] * 9)
        query = f"SELECT pg_relation_size('{options['table']}')"
        assert connection.execute(query).fetchone() == (8192,)


def test_sum_equals_its_samples(tcp_server: TcpServer) -> None:
    options = tcp_server.options()
    with open_store(**options) as store:
        store.enrol("ann", directions(5), keys=list("abcde"), weights=[1, 0.5, 0.3, 0.2, 0.1])
        store.enrol("ann", directions(3), keys=list("xab"), template=heaviest)
        store.forget("bob")
        samples = store.samples("ann")
    with tcp_server.connect() as connection:
        query = f"SELECT samples, vector_sum::real[] FROM {options['table']}_identities"
        row = connection.execute(query).fetchone()
    assert row is not None
    count, total = row
    assert count == len(samples.weights) == 6
    np.testing.assert_allclose(total, samples.weights @ samples.embeddings, atol=1e-6)


# The log


def test_the_log_is_only_added_to_and_names_nobody(tcp_server: TcpServer) -> None:
    import psycopg

    options = tcp_server.options()
    table = options["table"]
    with open_store(**options) as store:
        store.enrol("Canary", directions(2))
        store.rename("Canary", "Married Canary")  # type: ignore[attr-defined]
        store.enrol("Ann", axis(0))
        with tcp_server.connect() as connection:
            for change in ("DELETE FROM {}", "UPDATE {} SET samples = 0", "TRUNCATE {}"):
                with pytest.raises(psycopg.errors.RaiseException, match="only ever added to"):
                    connection.execute(change.format(f"{table}_log"))
            kept = f"SELECT count(*) FROM {table}_undo AS kept WHERE kept::text LIKE '%Canary%'"
            assert connection.execute(kept).fetchone() == (1,)
            store.forget("Canary")  # by a name that was hers once
            assert connection.execute(kept).fetchone() == (0,)
            log = connection.execute(f"SELECT {table}_log::text FROM {table}_log").fetchall()
        assert len(log) == 3
        assert "Canary" not in str(log)
