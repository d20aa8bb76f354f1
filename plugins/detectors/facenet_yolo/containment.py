"""ultralytics kept to what it is asked for, and away from the rest of the process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch

_MANNERS = {
    "YOLO_AUTOINSTALL": "false",
    "YOLO_OFFLINE": "true",
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "true",
}
"""It installs no packages, asks the network for nothing, reports no use, prints nothing, and takes
from a .pt only the classes that it knows. It reads this when it is imported. What a user has set
stays."""


@contextmanager
def contained() -> Iterator[Path]:
    """A temporary folder, while ultralytics is imported or sets up a model.

    On its own it would keep its settings in the user's home, give torch all processors but one and
    OpenCV a single thread, and change environment variables and how numpy prints arrays.
    """
    for name, value in _MANNERS.items():
        os.environ.setdefault(name, value)
    environment = dict(os.environ)
    threads = torch.get_num_threads(), cv2.getNumThreads()
    with TemporaryDirectory(prefix="facenet-") as folder, np.printoptions():
        os.environ.setdefault("YOLO_CONFIG_DIR", folder)
        try:
            yield Path(folder)
        finally:
            for name in os.environ.keys() - environment.keys():
                del os.environ[name]
            os.environ.update(environment)
            torch.set_num_threads(threads[0])
            cv2.setNumThreads(threads[1])
