"""Ending what PostgreSQL keeps of rows that were erased."""

from __future__ import annotations

import logging

from psycopg import errors

from facenet_pgvector.connections import PatientConnection
from facenet_pgvector.tables import Gallery

logger = logging.getLogger(__name__)

_REWRITE = "VACUUM (FULL, ANALYZE) {}"
# Samples of columns are in the planner's statistics, and former ones in dead rows of those.
_STATISTICS = ("VACUUM FULL pg_statistic", "VACUUM FULL pg_statistic_ext_data")
# Old segments of the log are deleted then, where else they would be kept to be written over.
_KEEP_NO_LOG = "ALTER SYSTEM SET wal_recycle = off"
_AS_BEFORE = "ALTER SYSTEM RESET wal_recycle"
_RELOAD = "SELECT pg_reload_conf()"
_END_LOG = ("SELECT pg_switch_wal()", "CHECKPOINT")


def purge(gallery: Gallery) -> None:
    """Write the tables anew, and end the server's write-ahead log up to now, where this user may.

    Each table is locked while it is written. On a server of others its log and its backups are its
    administrator's: a warning says so. The connection must be in no transaction.
    """
    connection = gallery.connection
    autocommit = connection.autocommit
    connection.autocommit = True
    try:
        for each in (gallery, gallery.twin):
            if each.exists:
                for part in each.tables.names:
                    each.execute(_REWRITE.format("{" + part + "}"))
        try:
            for statement in _STATISTICS:
                connection.execute(statement)
            _end_log(connection)
        except errors.InsufficientPrivilege:
            logger.warning(
                "the tables are written anew, but this user may not end the server's write-ahead "
                "log: what was erased may be in it, and in backups, as long as the server keeps "
                "them"
            )
    finally:
        connection.autocommit = autocommit


def _end_log(connection: PatientConnection) -> None:
    connection.execute(_KEEP_NO_LOG)
    connection.execute(_RELOAD)
    try:
        # Twice: the segment before the one in use is needed until the next checkpoint.
        for statement in 2 * _END_LOG:
            connection.execute(statement)
    finally:
        connection.execute(_AS_BEFORE)
        connection.execute(_RELOAD)
