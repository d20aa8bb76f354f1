"""Which file of weights, and whether its format can be run on the device."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from facenet.errors import DeviceError, MissingDependency, ModelError
from facenet.known_models import cache_folder
from facenet_yolo import SUFFIXES

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "mps": "CoreMLExecutionProvider",
}
"""What onnxruntime calls a device."""


def find_weights(path: Path | None) -> Path:
    """The file that is named, or else the first that is in the folder of known weights.

    Raises `ModelError` when there is none; ultralytics would look for it on the network.
    """
    folder, names = cache_folder(), [f"yolo-face{suffix}" for suffix in SUFFIXES]
    for candidate in [path] if path else [folder / name for name in names]:
        if candidate.is_file():
            return candidate
    if path:
        raise ModelError(f"{path}: no such file")
    raise ModelError(
        f"detector yolo has no weights: name a file as `weights`, or put {' or '.join(names)} into "
        f"{folder}; facenet ships none"
    )


def check_device(path: Path, device: str) -> None:
    """Raise `DeviceError` where the file does not run on `device`; ultralytics would take the CPU.

    Raises `MissingDependency` when the library that runs its format is not installed.
    """
    here = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    usable, reason = here[device], "torch cannot use it here"
    if path.suffix.lower() == ".tflite":
        _library("ai_edge_litert.interpreter", "yolo")
        usable, reason = device == "cpu", "a .tflite file runs on the CPU only"
    elif path.suffix.lower() == ".onnx" and usable:
        providers = _library("onnxruntime", "yolo,onnx").get_available_providers()
        usable, reason = _PROVIDERS[device] in providers, "the installed onnxruntime cannot use it"
    if not usable:
        raise DeviceError(f"{path}: device {device!r}: {reason}; set device: cpu")


def _library(name: str, extras: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"detector yolo needs the library {error.name!r} for this file, not installed: "
            f"pip install 'facenet-kit[{extras}]'"
        ) from error
