"""Frontend plugin `serve`: face recognition over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from facenet.hookspecs import hookimpl
from facenet.types import Frontend, PluginInfo

if TYPE_CHECKING:
    from facenet.recognition import Recognizer


class Options(BaseModel):
    """Where the service listens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0: any free one.")


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="HTTP service on FastAPI: /healthz and /verify",
        licence="MIT",
        options=Options,
        install="pip install 'facenet-kit[serve]'",
        requires={"fastapi": "MIT", "starlette": "BSD-3-Clause", "uvicorn": "BSD-3-Clause"},
    )


@hookimpl
def make_frontend(options: Options, recognizer: Recognizer) -> Frontend:
    from facenet_serve.server import Server

    return Server(options, recognizer)
