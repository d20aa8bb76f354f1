"""Frontend plugin `serve`: face recognition over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from facenet.hookspecs import hookimpl
from facenet.types import Frontend, PluginInfo
from facenet.validation import beside_configuration

if TYPE_CHECKING:
    import click

    from facenet.recognition import Recognizer

KEYS_FILE = Path(".facenet", "serve-keys.json")
MEBIBYTE = 2**20


class Options(BaseModel):
    """Where the service listens, who may use it, and how much it takes on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0: any free one.")
    workers: int = Field(
        1, ge=1, le=64, description="Processes that answer, each with a model of its own."
    )
    keys_file: Path = Field(
        None,
        validate_default=True,
        description="API keys, hashed, as `facenet serve keys` writes them; default: "
        ".facenet/serve-keys.json beside the configuration file.",
    )
    insecure: bool = Field(
        False, description="Serve without any API key beyond this machine: whoever reaches it may."
    )
    rate_limit: int = Field(
        6000, ge=0, description="Requests per minute with one API key; 0: any number."
    )
    max_body: int = Field(
        32 * MEBIBYTE, ge=1024, description="Bytes of a request, counted while it is read."
    )
    body_timeout: float = Field(
        30.0, gt=0, le=3600, description="Seconds in which a request has to have arrived."
    )
    timeout: float = Field(
        30.0, gt=0, le=3600, description="Seconds after which an answer is given up (503)."
    )
    concurrency: int = Field(
        32, ge=1, le=1024, description="Requests that a worker works on at a time."
    )
    streams: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Calls of the model at a time, among which a worker's processor cores are "
        "shared; default: one for each core, at most 4, and one on a GPU.",
    )
    queue: int = Field(
        64, ge=0, le=100_000, description="Requests that may wait for that; further ones get 503."
    )
    cors_origins: tuple[str, ...] = Field(
        (), description="Web pages that may call, by origin (https://host), with commas between."
    )
    tracing: bool = Field(
        False, description="Send OpenTelemetry traces, as its environment variables say."
    )

    @field_validator("keys_file", mode="before")
    @classmethod
    def _default_keys_file(cls, value: Any, info: ValidationInfo) -> Any:
        return value or beside_configuration(KEYS_FILE, info)

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(origin.strip() for origin in value.split(",") if origin.strip())
        return value

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            scheme, _, rest = origin.partition("://")
            if scheme not in ("http", "https") or not rest or "/" in rest:
                raise ValueError(f"{origin!r} is no origin: write it as https://host[:port]")
        return value


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="HTTP service on FastAPI to verify, enrol, search and forget faces",
        licence="MIT",
        options=Options,
        install="pip install 'facenet-kit[serve]'",
        requires={
            "fastapi": "MIT",
            "fastapi-offline": "MIT",
            "fasteners": "Apache-2.0",
            "httptools": "MIT",
            "limits": "MIT",
            "prometheus-client": "Apache-2.0 AND BSD-2-Clause",
            "python-multipart": "Apache-2.0",
            "starlette": "BSD-3-Clause",
            "uvicorn": "BSD-3-Clause",
            "uvloop": "Apache-2.0",
        },
    )


@hookimpl
def make_frontend(options: Options, recognizer: Recognizer) -> Frontend:
    from facenet_serve.server import Server

    return Server(options, recognizer)


@hookimpl
def frontend_commands() -> Sequence[click.Command]:
    from facenet_serve.commands import keys

    return [keys]
