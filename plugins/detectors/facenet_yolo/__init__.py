"""Detector plugin `yolo`: face models of ultralytics, whose licence is AGPL-3.0.

A `.pt` file is a pickle, which may run any code when it is loaded: it is only ever loaded because
the configuration names it, or because it was put into the folder of known weights under the name
`yolo-face.pt`. facenet ships no weights for this plugin.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from facenet.hookspecs import hookimpl
from facenet.types import PluginInfo
from facenet.validation import beside_configuration

if TYPE_CHECKING:
    from facenet.types import Detector

SUFFIXES = (".pt", ".onnx", ".tflite")


class Options(BaseModel):
    """Which weights, and what counts as a face."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: Path | None = Field(
        None,
        description="Face model of ultralytics (.pt, .onnx or .tflite), beside the configuration "
        "file or with its full path; default: yolo-face.pt, .onnx or .tflite in the folder of "
        "known weights. A .pt is a pickle: name only one that you trust.",
    )
    weights_licence: str | None = Field(
        None, min_length=1, description="SPDX id of the licence of the weights."
    )
    confidence: float = Field(
        0.5, ge=0, le=1, description="The score that a face must have to be reported."
    )
    overlap: float = Field(
        0.45,
        ge=0,
        le=1,
        description="Two boxes that share more than this, intersection over union, are one face.",
    )
    max_side: int = Field(
        640,
        ge=32,
        le=8192,
        multiple_of=32,
        description="Side in pixels of the square in which a photo is looked at; a model exported "
        "for one size keeps its own.",
    )

    @field_validator("weights")
    @classmethod
    def _beside_the_configuration(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path and path.suffix.lower() not in SUFFIXES:
            raise ValueError(f"{path}: name a file that ends in {', '.join(SUFFIXES)}")
        return path and beside_configuration(path, info)


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="Face models of ultralytics (YOLO), with five landmarks where a model gives them",
        licence="MIT",
        options=Options,
        install="pip install 'facenet-kit[yolo]'",
        requires={"ai-edge-litert": "Apache-2.0", "ultralytics": "AGPL-3.0-only"},
    )


@hookimpl
def make_detector(options: Options, device: str) -> Detector:
    from facenet_yolo.detector import YoloDetector

    return YoloDetector(options, device)
