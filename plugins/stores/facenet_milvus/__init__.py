"""Vector store plugin `milvus`: a gallery in Milvus.

With a path it runs milvus-lite in this process, on a folder that no other process uses meanwhile;
with an address it uses that Milvus. The calls are the same.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

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
    from facenet.stores import Store

Consistency = Literal["Strong", "Session", "Bounded", "Eventually"]
DATA_DIR = ".facenet/milvus.db"


def _collection_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,199}", name):
        raise ValueError(
            f"{name!r} is no collection name: use letters, digits and underscores, "
            "no digit first, at most 200 characters"
        )
    return name


class Options(BaseModel):
    """Where the gallery is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    uri: str = Field(
        DATA_DIR,
        min_length=1,
        validate_default=True,
        description="Folder of a local Milvus, relative to the configuration file; or a server's "
        "address, such as http://db.example:19530.",
    )
    token: SecretStr | None = Field(
        None, description="What the server knows the user by: an API key, or user:password."
    )
    collection: Annotated[str, AfterValidator(_collection_name)] = Field(
        "faces",
        description="Collections are <collection>_identities, <collection>_samples and "
        "<collection>_meta.",
    )
    consistency: Consistency = Field(
        "Strong",
        description="How fresh what a server answers must be. Strong: it knows of everybody who "
        "was enrolled or forgotten before.",
    )
    index: Literal["FLAT", "HNSW"] = Field(
        "FLAT",
        description="FLAT compares with every template, exactly; HNSW with the nearest in a "
        "graph, for large galleries.",
    )

    @property
    def address(self) -> str | None:
        """The server's, None where Milvus runs in this process."""
        return self.uri if "://" in self.uri else None

    @field_validator("uri")
    @classmethod
    def _is_a_place(cls, value: str, info: ValidationInfo) -> str:
        if "://" not in value:
            return str(beside_configuration(Path(value), info).expanduser())
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"{parts.scheme}://{parts.hostname or ''} is no address of a Milvus: "
                "write http://HOST:19530 or https://HOST, or a folder"
            )
        if "@" in parts.netloc:
            raise ValueError("holds a login: give it as token, user:password")
        return value

    @field_validator("token")
    @classmethod
    def _needs_server(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and "://" not in info.data.get("uri", "://"):
            raise ValueError("token has no meaning without a server's address as uri")
        return value


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="Gallery in Milvus: milvus-lite in a folder, or a cluster.",
        licence="MIT",
        options=Options,
        install="pip install 'facenet-kit[milvus]'",
        requires={
            "pymilvus": "Apache-2.0",
            "milvus-lite": "Apache-2.0",
            "grpcio": "Apache-2.0",
            "pyarrow": "Apache-2.0",
            "faiss-cpu": "MIT",
        },
    )


@hookimpl
def make_store(options: Options, embedding_dim: int, space: str) -> Store:
    from facenet_milvus.store import open_store

    return open_store(options, embedding_dim, space)
