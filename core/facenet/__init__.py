"""facenet: train, measure and run face recognition built from plugins.

>>> from facenet import Recognizer, load_config
>>> recognizer = Recognizer.from_config(load_config("configs/inference.yaml"))

Names are loaded on first use, so that ``import facenet`` stays light.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facenet.config import load_config
    from facenet.recognition import Recognizer
    from facenet.stores import Match
    from facenet.training import evaluate, train
    from facenet.types import Face

# onnxruntime would report its use to its makers, and reads this when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "Face": "facenet.types",
    "Match": "facenet.stores",
    "Recognizer": "facenet.recognition",
    "evaluate": "facenet.training",
    "load_config": "facenet.config",
    "train": "facenet.training",
}

__all__ = ["Face", "Match", "Recognizer", "evaluate", "load_config", "train"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'facenet' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
