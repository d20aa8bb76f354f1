"""What each kind of plugin is made with, where nothing is done with what was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facenet.testing.galleries import DIM, SPACE

ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "backbone": {"architecture": "none", "pretrained": False, "image_size": 112},
    "miner": {"progress": lambda: 0.0},
    "detector": {"device": "cpu"},
    "store": {"embedding_dim": DIM, "space": SPACE},
    "frontend": {"recognizer": None},
}
