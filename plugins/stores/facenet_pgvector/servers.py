"""Which server and which tables the options name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from facenet_pgvector import Options, connections
from facenet_pgvector.tables import Tables


def reach(options: Options, resources: ExitStack) -> tuple[str, Callable[[], dict[str, Any]]]:
    """The server's name for a user, and what gives the parameters of a connection to it.

    An embedded server is started where none runs, and given up with `resources`; raises
    `StoreError` when it cannot be.
    """
    if options.data_dir is None:
        return remote_name(options), partial(connections.remote, options)
    from facenet_pgvector.embedded import EmbeddedServer

    embedded = resources.enter_context(EmbeddedServer(options.data_dir))
    return str(embedded), embedded.parameters


def remote_name(options: Options) -> str:
    """A server that is not ours, as a user knows it."""
    return f"PostgreSQL at {options.host}:{options.port}"


def tables_of(options: Options) -> Tables:
    """The names of the gallery's tables."""
    return Tables(options.table, options.identity_table or f"{options.table}_identities")
