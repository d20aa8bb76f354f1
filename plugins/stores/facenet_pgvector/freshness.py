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
from facenet_pgvector.connections import WAIT_SECONDS

if TYPE_CHECKING:
    from facenet_pgvector.tables import Gallery

# What was changed by transactions that may not have been seen at the former time. After a restart,
# and when the table was made anew or emptied, all is void.
_CHANGES = """
SELECT
    pg_postmaster_start_time() || ' ' || pg_relation_filenode('{identities}'),
    pg_snapshot_xmin(pg_current_snapshot())::text,
    array_to_string(
        ARRAY(SELECT id || ' ' || changed FROM {identities} WHERE changed >= $1::text::xid8), ','
    ),
    array_to_string(
        ARRAY(SELECT identity_id FROM {forgotten} WHERE changed >= $1::text::xid8), ','
    )
"""
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


class Inquiry:
    """The question on one connection; each call raises what psycopg does."""

    def __init__(self, gallery: Gallery) -> None:
        self.gallery = gallery
        self._connection = gallery.connection
        self._server = self._connection.pgconn
        query = gallery.compose(_CHANGES).as_string(self._connection)
        self._server.send_prepare(STATEMENT, query.encode())
        self._connection.wait(generators.execute(self._server))

    def ask(self, since: str) -> None:
        self._server.send_query_prepared(STATEMENT, [since.encode()])
        self._connection.wait(generators.send(self._server))

    def answer(self) -> Changes:
        [result] = self._connection.wait(generators.fetch_many(self._server))
        if result.status != ExecStatus.TUPLES_OK:
            raise errors.error_from_result(result)
        values = [result.get_value(0, column) or b"" for column in range(len(Changes._fields))]
        epoch, since, changed, forgotten = (value.decode() for value in values)
        return Changes(epoch, since, _each(changed), _each(forgotten))


class Asker:
    """Asks on a connection of its own, and on another where that was lost, as by a restart; for one
    thread at a time."""

    def __init__(self, connect: Callable[[], Gallery]) -> None:
        self._connect = connect
        self._inquiry: Inquiry | None = None
        self._since = ""
        self._closed = False

    @property
    def gallery(self) -> Gallery:
        """For what an answer makes necessary."""
        assert self._inquiry is not None, "only after an answer"
        return self._inquiry.gallery

    def ask(self, since: str) -> None:
        """Let the server begin; `answer` is to be called next."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        self._since = since
        with self._losing_it():
            self._inquiry = self._inquiry or self._reach()
            self._inquiry.ask(since)

    def answer(self) -> Changes:
        with self._losing_it():
            if self._inquiry is not None:
                return self._inquiry.answer()
        self._inquiry = self._reach()
        self._inquiry.ask(self._since)
        return self._inquiry.answer()

    def hang_up(self) -> None:
        if self._inquiry is not None:
            self._inquiry.gallery.connection.close()
            self._inquiry = None

    def close(self) -> None:
        self._closed = True
        self.hang_up()

    @contextmanager
    def _losing_it(self) -> Iterator[None]:
        """A lost connection is no error here."""
        try:
            yield
        except OperationalError:
            if self._inquiry is None or not self.gallery.connection.closed:
                raise
            self._inquiry = None

    def _reach(self) -> Inquiry:
        gallery = self._connect()
        gallery.connection.patience = WAIT_SECONDS
        # There are no statistics of the newest rows, and the plan stays the same.
        gallery.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
        register_vector(gallery.connection)
        return Inquiry(gallery)


def _each(listed: str) -> frozenset[str]:
    return frozenset(listed.split(",")) if listed else _NONE
