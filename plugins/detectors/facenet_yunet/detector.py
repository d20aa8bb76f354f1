"""YuNet as a detector: several networks, because one keeps the size of its photo."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from facenet.errors import ModelError
from facenet.imaging.faces import to_faces
from facenet.known_models import known_models, path_of
from facenet.types import Face

if TYPE_CHECKING:
    from facenet.types import Image
    from facenet_yunet import Options

_NETWORKS = min(4, os.cpu_count() or 1)
"""How many photos of one call are looked at side by side."""
_CANDIDATES = 5000
"""How many boxes of a photo are compared with each other, best first."""


class YuNetDetector:
    """Finds faces on the CPU; may be called from several threads.

    A photo is looked at in the size in which it is given. Raises `ModelError` naming the file when
    it cannot be read or is not YuNet.
    """

    def __init__(self, options: Options) -> None:
        path = options.weights or path_of("yunet")
        weights = _read(path)
        self.working_size = options.max_side
        self.licence = _known_licence(weights) or options.weights_licence
        self._networks: SimpleQueue[Any] = SimpleQueue()
        try:
            with _silent():
                for _ in range(_NETWORKS):
                    self._networks.put(_network(weights, options))
                self([np.zeros((32, 32, 3), np.uint8)])
        except cv2.error as error:
            raise ModelError(
                f"{path}: OpenCV cannot run it as YuNet; a file that it can run is fetched with: "
                "facenet models get yunet"
            ) from error

    def __call__(self, images: Sequence[Image]) -> list[list[Face]]:
        """The faces of each RGB uint8 image, best first, with landmarks."""
        if len(images) <= 1:
            return [self._detect(image) for image in images]
        with ThreadPoolExecutor(min(len(images), _NETWORKS)) as pool:
            return list(pool.map(self._detect, images))

    def _detect(self, image: Image) -> list[Face]:
        height, width = image.shape[:2]
        network = self._networks.get()
        try:
            network.setInputSize((width, height))
            _, rows = network.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        finally:
            self._networks.put(network)
        if rows is None:
            return []
        corners, sizes, points, scores = np.split(rows, (2, 4, 14), axis=1)
        boxes = np.concatenate([corners, corners + sizes], axis=1)
        return to_faces(image, boxes, scores[:, 0], points.reshape(-1, 5, 2))


def _network(weights: bytes, options: Options) -> Any:
    return cv2.FaceDetectorYN.create(
        "onnx",
        np.frombuffer(weights, np.uint8),
        np.empty(0, np.uint8),
        (32, 32),
        options.confidence,
        options.overlap,
        _CANDIDATES,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error


def _known_licence(weights: bytes) -> str | None:
    sha256 = hashlib.sha256(weights).hexdigest()
    return next((model.licence for model in known_models() if model.sha256 == sha256), None)


@contextmanager
def _silent() -> Iterator[None]:
    """OpenCV 5 warns of a target that was not asked for, and reports each error on stderr too."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
