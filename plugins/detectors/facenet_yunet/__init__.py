"""Detector plugin `yunet`: the network YuNet in OpenCV, with five landmarks for each face.

It runs on the CPU whatever the device: OpenCV as Python packages ship it uses no GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from facenet.hookspecs import hookimpl
from facenet.types import PluginInfo
from facenet.validation import BesideConfiguration

if TYPE_CHECKING:
    from facenet.types import Detector


class Options(BaseModel):
    """Which weights, and what counts as a face. It runs on the CPU, whatever `device` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: BesideConfiguration | None = Field(
        None,
        description="YuNet as an ONNX file, beside the configuration file or with its full path; "
        "default: the known weights `yunet`, which `facenet models get yunet` fetches.",
    )
    weights_licence: str | None = Field(
        None,
        min_length=1,
        description="SPDX id of the licence of `weights`; that of known weights is known.",
    )
    confidence: float = Field(
        0.6, ge=0, le=1, description="The score that a face must have to be reported."
    )
    overlap: float = Field(
        0.3,
        ge=0,
        le=1,
        description="Two boxes that share more than this, intersection over union, are one face.",
    )
    max_side: int = Field(
        960,
        ge=32,
        le=8192,
        description="Longer side in pixels to which a larger photo is reduced to look for faces.",
    )


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="YuNet in OpenCV: boxes and five landmarks, on the CPU",
        licence="MIT",
        options=Options,
        install="pip install 'facenet-kit[yunet]'",
        requires={"opencv-python": "Apache-2.0"},
    )


@hookimpl
def make_detector(options: Options) -> Detector:
    from facenet_yunet.detector import YuNetDetector

    return YuNetDetector(options)
