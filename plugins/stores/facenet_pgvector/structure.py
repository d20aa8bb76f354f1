"""Whether the tables still have the constraints and indexes that they were made with."""

from __future__ import annotations

import logging
from typing import NamedTuple

import psycopg
from psycopg import errors, sql

from facenet.stores import Finding
from facenet_pgvector.connections import PatientConnection
from facenet_pgvector.schema import create
from facenet_pgvector.tables import Gallery, quoted

logger = logging.getLogger(__name__)

_CONSTRAINTS = """
SELECT 'ADD ' || pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = %s::regclass AND convalidated
"""
# Not the HNSW index: it comes and goes with the gallery's size, and `pg_get_indexdef` fails on
# one that is dropped meanwhile.
_INDEXES = """
SELECT pg_get_indexdef(indexrelid) FROM pg_index
    JOIN pg_class ON pg_class.oid = indexrelid
    JOIN pg_am ON pg_am.oid = relam AND amname <> 'hnsw'
WHERE indrelid = %s::regclass AND indisvalid
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
_OFF = "SELECT count(*) FROM pg_trigger WHERE tgrelid = %s::regclass AND tgenabled = 'D'"


class _Part(NamedTuple):
    """A constraint or index of a table, and the statement that makes it."""

    table: str
    what: str
    statement: str


def check(gallery: Gallery, repair: bool) -> list[Finding]:
    """Compare with tables as they are made today, which are gone again when it is done."""
    connection = gallery.connection
    try:
        with connection.transaction(force_rollback=True):
            path = connection.execute("SHOW search_path").fetchone()
            assert path is not None
            connection.execute(
                sql.SQL("SET LOCAL search_path = pg_temp, {}").format(sql.SQL(path[0]))
            )
            create(gallery, "")
            expected = _parts(gallery)
    except (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction):
        logger.warning("constraints and indexes were not looked at: this user may make no tables")
        return []
    there = _parts(gallery)
    findings = [
        _found(connection, f"table {table!r} has lost {what}", statement, repair)
        for table, what, statement in sorted(expected - there)
    ]
    for table in gallery.tables.names.values():
        name = quoted(table, connection)
        off = connection.execute(_OFF, [name]).fetchone()
        if off and off[0]:
            text = f"table {table!r} has {off[0]} triggers that are switched off"
            statement = f"ALTER TABLE {name} ENABLE TRIGGER ALL"
            findings.append(_found(connection, text, statement, repair))
    return findings


def _parts(gallery: Gallery) -> set[_Part]:
    found, connection = set(), gallery.connection
    for table in gallery.tables.names.values():
        name = quoted(table, connection)
        for (definition,) in connection.execute(_CONSTRAINTS, [name]):
            what = definition.removeprefix("ADD ")
            found.add(_Part(table, what, f"ALTER TABLE {name} {definition}"))
        for (definition,) in connection.execute(_INDEXES, [name]):
            head, _, tail = definition.partition(" USING ")
            kind = "UNIQUE INDEX" if head.startswith("CREATE UNIQUE") else "INDEX"
            what = f"its {kind.lower()} by {tail}"
            found.add(_Part(table, what, f"CREATE {kind} ON {name} USING {tail}"))
    return found


def _found(connection: PatientConnection, text: str, statement: str, repair: bool) -> Finding:
    if repair:
        try:
            with connection.transaction():
                connection.execute(statement.encode())
        except psycopg.Error as error:
            reason = (error.diag.message_primary or str(error)).splitlines()[0]
            return Finding("structure", (), f"{text}; it cannot be had again: {reason}")
    return Finding("structure", (), text, repair)
