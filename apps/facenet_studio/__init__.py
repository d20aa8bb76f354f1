"""Frontend plugin `studio`: register, verify and search faces on a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from facenet.hookspecs import hookimpl
from facenet.types import Frontend, PluginInfo

if TYPE_CHECKING:
    from facenet.recognition import Recognizer


class Options(BaseModel):
    """Where the page is, who may open it, and the report that it shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(7860, ge=0, le=65535, description="Port to listen on; 0: any free one.")
    auth: Mapping[str, SecretStr] | None = Field(
        None,
        description="Who may open the page: passwords by user name, or the text user:password, "
        "which an environment variable can hold; none: everyone who reaches it.",
    )
    report: Path | None = Field(
        None,
        description="Evaluation to show: the folder of `facenet evaluate --output`, or an .html "
        "file; default: report.html or report/index.html beside the model.",
    )
    open_browser: bool = Field(
        True, description="Open the page in a browser when started in a terminal."
    )

    @field_validator("auth", mode="before")
    @classmethod
    def _passwords_by_user(cls, value: Any) -> Any:
        # All of it is checked here: pydantic's own sentences would show a password.
        if isinstance(value, str) and ":" in value:
            user, password = value.split(":", 1)
            value = {user: password}
        if value is None:
            return None
        if not isinstance(value, Mapping) or not value:
            raise ValueError("must be passwords by user name, or the text user:password")
        for user, password in value.items():
            if not isinstance(user, str) or not user or user != user.strip():
                raise ValueError("a user name must be text with no space around it")
            if not isinstance(password, str | SecretStr) or not len(password):
                raise ValueError(f"the password of {user!r} must be text (in quotes), not empty")
        return value


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="A page on Gradio to register, verify and search faces",
        licence="MIT",
        options=Options,
        install="pip install 'facenet-kit[studio]'",
        requires={
            "fastapi": "MIT",
            "gradio": "Apache-2.0",
            "opencv-python": "Apache-2.0",
            "starlette": "BSD-3-Clause",
            "supervision": "MIT",
            "uvicorn": "BSD-3-Clause",
        },
    )


@hookimpl
def make_frontend(options: Options, recognizer: Recognizer) -> Frontend:
    from facenet_studio.studio import Studio

    return Studio(options, recognizer)
