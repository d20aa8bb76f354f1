"""How the server is reached: the parameters of a connection, and a small pool of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from pgvector.psycopg import register_vector
from psycopg import Connection, OperationalError, errors
from psycopg.abc import PQGen
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from facenet_pgvector import Options

# What the pool would log comes out as a StoreError; a user should not read it twice.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)

Result = TypeVar("Result")

WAIT_SECONDS = 5
"""For a connection, and for a sign of life from one that was idle."""
ANSWER_SECONDS = 60
"""For the answer to one statement. A server that takes what it is sent and never answers would
hold its caller for ever: the network sees nothing wrong, and the server's own time-outs are the
server's. It is longer than any statement of a call takes on a gallery of millions."""
MAX_CONNECTIONS = 8
COMMON: dict[str, Any] = {
    "connect_timeout": WAIT_SECONDS,
    "client_encoding": "UTF8",
    # A machine that is gone, or a cable that is out, is found in seconds, not in hours.
    "keepalives_idle": WAIT_SECONDS,
    "keepalives_interval": WAIT_SECONDS,
    "keepalives_count": 2,
    "tcp_user_timeout": 3 * WAIT_SECONDS * 1000,
}
"""Parameters of every connection."""


class PatientConnection(Connection[TupleRow]):
    """Waits `patience` seconds for an answer, then closes itself; None: waits for ever."""

    patience: float | None = ANSWER_SECONDS

    def wait(
        self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None
    ) -> Result:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.patience)
        except errors._WaitTimeout as error:
            self.close()
            raise OperationalError(f"no answer within {self.patience} s") from error


def remote(options: Options) -> dict[str, Any]:
    """The parameters of a connection to the server that the options name."""
    return {
        "host": options.host,
        "port": options.port,
        "dbname": options.name,
        "user": options.user,
        "password": options.password.get_secret_value() if options.password else None,
        "sslmode": options.sslmode,
        "application_name": "facenet",
    }


def connect(parameters: Callable[[], dict[str, Any]]) -> PatientConnection:
    """One connection, outside of any pool, of which each statement is a transaction."""
    return PatientConnection.connect(**COMMON, **parameters(), autocommit=True)


def pool_of(parameters: Callable[[], dict[str, Any]]) -> ConnectionPool[PatientConnection]:
    """Open a pool; each of its connections knows vectors. It asks for the parameters each time
    that it connects."""
    return ConnectionPool(
        connection_class=PatientConnection,
        kwargs=lambda: COMMON | parameters(),
        min_size=1,
        max_size=MAX_CONNECTIONS,
        timeout=WAIT_SECONDS,
        reconnect_timeout=WAIT_SECONDS,
        configure=register_vector,
        check=_check,
        open=True,
    )


def probe(pool: ConnectionPool[PatientConnection]) -> None:
    """Connect past a pool that gave no connection, and so learn why: what it raises is the reason,
    and when it raises nothing all connections of the pool are in use."""
    assert callable(pool.kwargs)
    PatientConnection.connect(**pool.kwargs()).close()


def _check(connection: PatientConnection) -> None:
    connection.patience = WAIT_SECONDS / 2  # half of the wait is left to replace it
    ConnectionPool.check_connection(connection)
    connection.patience = ANSWER_SECONDS
