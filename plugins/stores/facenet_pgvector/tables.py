"""The names of a gallery's tables, and these tables on a connection."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pgvector import Vector as SqlVector
from psycopg import sql

from facenet_pgvector.connections import PatientConnection

if TYPE_CHECKING:
    from psycopg import Cursor
    from psycopg.abc import Params
    from psycopg.rows import TupleRow

_MADE = ("note_change", "note_end", "keep_log", "retired", "hnsw")
"""Functions of triggers, and an index: they have names too."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The names of a gallery's tables.

    A gallery may have two collections, each with tables of its own: while it is migrated to another
    embedding space, and afterwards, so that it can go back. Their log is one, and so are the
    numbers of identities and samples.
    """

    table: str
    identity_table: str
    second: bool = False

    @property
    def twin(self) -> Tables:
        """Of the other collection."""
        return replace(self, second=not self.second)

    @property
    def embeddings(self) -> str:
        return self.table + "_b" * self.second

    @property
    def identities(self) -> str:
        return self.identity_table + "_b" * self.second

    @property
    def meta(self) -> str:
        return f"{self.embeddings}_meta"

    @property
    def names(self) -> dict[str, str]:
        """The name of each table; those that refer to others come first."""
        own = {part: getattr(self, part) for part in ("embeddings", "identities", "meta")}
        common = {part: f"{self.table}_{part}" for part in ("log", "undo")}
        return own | {"forgotten": f"{self.embeddings}_forgotten"} | common


class Gallery(NamedTuple):
    """The tables of a collection, whose vectors are of dimension `dim`, on a connection."""

    connection: PatientConnection
    tables: Tables
    dim: int

    @property
    def twin(self) -> Gallery:
        """The other collection, whatever its dimension."""
        return self._replace(tables=self.tables.twin)

    @property
    def exists(self) -> bool:
        return exists(self.connection, self.tables.meta)

    @property
    def zero(self) -> SqlVector:
        return SqlVector(np.zeros(self.dim, np.float32))

    def compose(self, statement: str) -> sql.Composed:
        """See `composed`."""
        return composed(self.tables, statement, self.dim)

    def execute(
        self,
        statement: str,
        values: Params | None = None,
        *,
        binary: bool = False,
        prepare: bool | None = None,
    ) -> Cursor[TupleRow]:
        query = self.compose(statement)
        return self.connection.execute(query, values, binary=binary, prepare=prepare)

    def one(self, statement: str, values: Params | None = None) -> TupleRow:
        """The row of a statement that always returns one."""
        row = self.execute(statement, values).fetchone()
        assert row is not None, "the statement returns one row"
        return row


Transaction = Callable[[], AbstractContextManager[Gallery]]


@lru_cache(maxsize=256)
def composed(tables: Tables, statement: str, dim: int = 0) -> sql.Composed:
    """SQL in which {identities}, {embeddings} and so on stand for the quoted names,
    {next_identities} and {next_embeddings} for those of the other collection, {dim} for a number.
    """
    twin = tables.twin
    names = tables.names | {name: f"{tables.embeddings}_{name}" for name in _MADE}
    names |= {"next_identities": twin.identities, "next_embeddings": twin.embeddings}
    parts = {part: sql.Identifier(name) for part, name in names.items()}
    return sql.SQL(statement).format(**parts, dim=sql.Literal(dim))


def exists(connection: PatientConnection, table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [quoted(table, connection)])
    return row.fetchone() == (True,)


def quoted(name: str, connection: PatientConnection) -> str:
    return sql.Identifier(name).as_string(connection)
