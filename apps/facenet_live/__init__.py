"""Frontend plugin `live`: names on the faces of a camera, a video file or a stream."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from facenet.hookspecs import hookimpl
from facenet.types import Frontend, PluginInfo

if TYPE_CHECKING:
    from facenet.recognition import Recognizer


class Options(BaseModel):
    """What is watched, and what is shown and kept of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    camera: str = Field(
        "0", min_length=1, description="Number of a camera, video file, or address of a stream."
    )
    top_k: int = Field(3, ge=1, description="Most similar identities that the event log names.")
    min_similarity: float = Field(
        -1.0, ge=-1, le=1, description="Identities less similar than this are left out."
    )
    show_similarity: bool = Field(False, description="Write the similarity behind each name.")
    headless: bool = Field(
        False, description="Open no window; of a video file every frame is worked on."
    )
    output: Path | None = Field(None, description="Video to write, with boxes and names: .mp4.")
    events: Path | None = Field(
        None, description="Log of who came and went; one JSON object a line is added."
    )
    detect_every: int = Field(
        3, ge=1, description="Faces are looked for in each n-th frame; between, boxes are moved."
    )
    reconnect: float = Field(
        60.0, ge=0, description="Seconds for which a lost camera or stream is tried again."
    )

    @field_validator("camera", mode="before")
    @classmethod
    def _number_is_a_camera(cls, camera: Any) -> Any:
        # YAML reads a bare 0 as a number; true is one for Python only.
        return str(camera) if isinstance(camera, int) and not isinstance(camera, bool) else camera

    @field_validator("output")
    @classmethod
    def _is_mp4(cls, path: Path | None) -> Path | None:
        if path and path.suffix.lower() != ".mp4":
            raise ValueError(f"{path}: name a file that ends in .mp4")
        return path


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="Names on the faces of a camera, a video file or a stream",
        licence="MIT",
        options=Options,
        install="pip install 'facenet-kit[live]'",
        requires={
            "av": "BSD-3-Clause",
            "opencv-python": "Apache-2.0",
            "supervision": "MIT",
            "trackers": "Apache-2.0",
        },
    )


@hookimpl
def make_frontend(options: Options, recognizer: Recognizer) -> Frontend:
    # Before av, whose wheel brings another copy of a library of X with which OpenCV's windows hang.
    import cv2  # noqa: F401

    from facenet_live.view import LiveView

    return LiveView(options, recognizer)
