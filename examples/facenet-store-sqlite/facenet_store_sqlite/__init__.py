"""Vector store plugin `sqlite`: a gallery in one file, searched exactly.

This module is read whenever plugins are listed, so it imports nothing heavy; `store.py` is read
when a gallery is opened.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from facenet.hookspecs import hookimpl
from facenet.types import PluginInfo
from facenet.validation import BesideConfiguration

if TYPE_CHECKING:
    from facenet.stores import Store


class Options(BaseModel):
    """What stands below `store:` in YAML."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: BesideConfiguration = Field(
        Path("faces.sqlite"),
        validate_default=True,
        description="The file; a relative path is relative to the configuration's folder.",
    )


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(summary="Gallery in one SQLite file, exact.", licence="MIT", options=Options)


@hookimpl
def make_store(options: Options, embedding_dim: int, space: str) -> Store:
    from facenet_store_sqlite.store import SqliteStore

    return SqliteStore(options.path, embedding_dim, space)
