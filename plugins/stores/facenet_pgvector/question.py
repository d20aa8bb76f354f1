"""What a search asks the server before it trusts the templates in memory: what has changed.

In two steps, so that the server works on it while the search goes on; for which it goes past
psycopg's cursors, since these wait for each answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from pgvector.psycopg import register_vector
from psycopg import OperationalError, errors, generators
from psycopg.pq import ExecStatus

from facenet.errors import StoreUnavailable
from facenet_pgvector import queries
from facenet_pgvector.connections import WAIT_SECONDS, PatientConnection

if TYPE_CHECKING:
    from facenet_pgvector.schema import Tables

STATEMENT = b"facenet_changes"
_NONE: frozenset[str] = frozenset()


class Changes(NamedTuple):
    """Identities that were `changed`, each with the transaction, and those that were `forgotten`,
    by transactions that a former question may not have seen; this one may not have seen those
    from `since` on. In another `epoch` all that was read is void."""

    epoch: str
    since: str
    changed: frozenset[str]
    forgotten: frozenset[str]

    def tell_more_than(self, former: Changes) -> bool:
        known = self.changed <= former.changed and self.forgotten <= former.forgotten
        return self.epoch != former.epoch or not known


class Question:
    """The question on one connection; each call raises what psycopg does."""

    def __init__(self, connection: PatientConnection, tables: Tables) -> None:
        self.connection = connection
        self._server = connection.pgconn
        query = tables.compose(queries.CHANGES).as_string(connection)
        self._server.send_prepare(STATEMENT, query.encode())
        connection.wait(generators.execute(self._server))

    def ask(self, since: str) -> None:
        self._server.send_query_prepared(STATEMENT, [since.encode()])
        self.connection.wait(generators.send(self._server))

    def answer(self) -> Changes:
        [result] = self.connection.wait(generators.fetch_many(self._server))
        if result.status != ExecStatus.TUPLES_OK:
            raise errors.error_from_result(result)
        values = [result.get_value(0, column) or b"" for column in range(len(Changes._fields))]
        epoch, since, changed, forgotten = (value.decode() for value in values)
        return Changes(epoch, since, _each(changed), _each(forgotten))


class Asker:
    """Asks on a connection of its own, and on another where that was lost, as by a restart; for one
    thread at a time."""

    def __init__(self, connect: Callable[[], PatientConnection], tables: Tables) -> None:
        self._connect = connect
        self._tables = tables
        self._question: Question | None = None
        self._since = ""
        self._closed = False

    @property
    def connection(self) -> PatientConnection:
        """For what an answer makes necessary."""
        assert self._question is not None, "only after an answer"
        return self._question.connection

    def ask(self, since: str) -> None:
        """Let the server begin; `answer` is to be called next."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        self._since = since
        with self._losing_it():
            self._question = self._question or self._reach()
            self._question.ask(since)

    def answer(self) -> Changes:
        with self._losing_it():
            if self._question is not None:
                return self._question.answer()
        self._question = self._reach()
        self._question.ask(self._since)
        return self._question.answer()

    def hang_up(self) -> None:
        if self._question is not None:
            self._question.connection.close()
            self._question = None

    def close(self) -> None:
        self._closed = True
        self.hang_up()

    @contextmanager
    def _losing_it(self) -> Iterator[None]:
        """A lost connection is no error here."""
        try:
            yield
        except OperationalError:
            if self._question is None or not self.connection.closed:
                raise
            self._question = None

    def _reach(self) -> Question:
        connection = self._connect()
        connection.patience = WAIT_SECONDS
        # There are no statistics of the newest rows, and the plan stays the same.
        connection.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
        register_vector(connection)
        return Question(connection, self._tables)


def _each(listed: str) -> frozenset[str]:
    return frozenset(listed.split(",")) if listed else _NONE
