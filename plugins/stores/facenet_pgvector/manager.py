"""The place of a gallery, managed without a model: `facenet store status|stop|dump|restore`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg import sql

from facenet.errors import StoreError
from facenet.paths import checked_output_file, whole_file
from facenet.stores import StoreStatus
from facenet_pgvector import Options, archive, connections
from facenet_pgvector.connections import PatientConnection
from facenet_pgvector.failures import connecting, working
from facenet_pgvector.schema import (
    COUNTS,
    SETUP_LOCK,
    current,
    ensure_extension,
    open_gallery,
    versions,
)
from facenet_pgvector.servers import reach, remote_name, tables_of
from facenet_pgvector.tables import composed, exists, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOCK_SECONDS = 20
_DROP = "DROP TABLE IF EXISTS {}"
_SIZE = "SELECT sum(pg_total_relation_size(to_regclass(each))) FROM unnest(%s::text[]) AS each"
_BINDING = "SELECT schema_version, embedding_dim, space FROM {meta}"


class PostgresManager:
    """Opens nothing until it is asked."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._tables = tables_of(options)

    def status(self) -> StoreStatus:
        if self._options.data_dir is None:
            with self._reached() as (server, connection, _):
                tables = current(connection, self._tables)
                names = [quoted(name, connection) for name in tables.names.values()]
                [size] = connection.execute(_SIZE, [names]).fetchone() or [None]
                seen = self._seen(connection, StoreStatus(server, True))
                return replace(seen, size=size and int(size))
        from facenet_pgvector import control, embedded

        folder = self._options.data_dir.expanduser().resolve()
        status = StoreStatus(str(folder), False)
        if not (folder / "PG_VERSION").is_file():
            return status
        running = control.running(folder)
        status = replace(status, size=control.size_on_disk(folder), running=running is not None)
        if running is None:
            version = (folder / "PG_VERSION").read_text().strip()
            return replace(status, server=f"PostgreSQL {version}")
        name = f"embedded PostgreSQL in {folder}"
        with connecting(name):
            connection = connections.connect(lambda: embedded.login(running))
        with connection, working(name):
            return self._seen(connection, replace(status, users=control.users(folder)))

    def stop(self, *, force: bool = False) -> bool:
        if self._options.data_dir is None:
            raise StoreError(
                f"{remote_name(self._options)} is not ours to stop: ask whoever runs it"
            )
        from facenet_pgvector import control

        return control.stop(self._options.data_dir.expanduser().resolve(), force=force)

    def dump(self, path: Path) -> StoreStatus:
        checked_output_file(path)
        folder = self._options.data_dir
        if folder is not None and not (folder.expanduser() / "PG_VERSION").is_file():
            raise StoreError(f"there is no gallery in {folder}: nothing to dump")
        with self._reached() as (server, connection, parameters), connection.transaction():
            # pg_dump sees what is counted here, whatever is enrolled meanwhile.
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            [snapshot] = connection.execute("SELECT pg_export_snapshot()").fetchone() or [""]
            seen = self._seen(connection, StoreStatus(server, True))
            if seen.schema_version is None:
                table = self._options.table
                raise StoreError(f"{server} has no gallery {table!r}: nothing to dump")
            with whole_file(path) as partial:
                partial.touch(mode=0o600)
                archive.write_dump(
                    partial,
                    current(connection, self._tables),
                    parameters,
                    snapshot,
                    encrypted=connection.pgconn.ssl_in_use,
                )
                return replace(seen, size=partial.stat().st_size)

    def restore(
        self, path: Path, *, embedding_dim: int, space: str, replace: bool = False
    ) -> StoreStatus:
        if not path.is_file():
            raise StoreError(f"{path}: no such file; name one that 'facenet store dump' wrote")
        listed, tables = archive.check_dump(path, self._tables)
        with self._reached() as (server, connection, _), connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [SETUP_LOCK])
            self._make_room(connection, server, replace)
            ensure_extension(connection)
            archive.load_dump(path, listed, connection)
            connection.execute("RESET ALL")  # of what the dump sets, such as the search path
            if not exists(connection, tables.meta):
                raise StoreError(f"{path}: its tables are of a schema that this user does not see")
            self._after_restore(connection, path, embedding_dim, space)
            return self._seen(connection, StoreStatus(server, True))

    def _make_room(self, connection: PatientConnection, server: str, replaced: bool) -> None:
        both = (self._tables, self._tables.twin)
        names = list(dict.fromkeys(name for each in both for name in each.names.values()))
        there = [name for name in names if exists(connection, name)]
        if there and not replaced:
            raise StoreError(
                f"{server} has a gallery {self._options.table!r} already: give --replace to put "
                "the dump in its place"
            )
        connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
        for name in names:
            connection.execute(sql.SQL(_DROP).format(sql.Identifier(name)))

    def _after_restore(
        self, connection: PatientConnection, path: Path, embedding_dim: int, space: str
    ) -> None:
        """Make what was restored a gallery of today, before anyone else sees it."""
        try:
            gallery = open_gallery(connection, self._tables, embedding_dim, space)
        except StoreError as error:
            raise StoreError(f"{path}: {error}") from error
        gallery.execute("ANALYZE {identities}, {embeddings}")

    def _seen(self, connection: PatientConnection, status: StoreStatus) -> StoreStatus:
        version, extension = versions(connection)
        server = f"PostgreSQL {version}" + (f", pgvector {extension}" if extension else "")
        status = replace(status, server=server)
        tables = current(connection, self._tables)
        if not exists(connection, tables.meta):
            return status
        binding = connection.execute(composed(tables, _BINDING)).fetchone()
        counts = connection.execute(composed(tables, COUNTS)).fetchone()
        if binding is None or counts is None:
            return status
        return replace(
            status,
            schema_version=binding[0],
            identities=counts[0],
            samples=counts[1],
            embedding_dim=binding[1],
            space=binding[2],
        )

    @contextmanager
    def _reached(self) -> Iterator[tuple[str, PatientConnection, Mapping[str, Any]]]:
        """The server's name, a connection that waits as long as it takes, and its parameters."""
        with ExitStack() as resources:
            server, parameters = reach(self._options, resources)
            with connecting(server):
                connection = connections.connect(parameters)
            connection.patience = None
            with connection, working(server):
                yield server, connection, parameters()
