"""A face model of ultralytics as a detector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from facenet.errors import DeviceError, ModelError
from facenet.imaging.faces import to_faces
from facenet.types import Face
from facenet_yolo.containment import contained
from facenet_yolo.weights import check_device, find_weights

if TYPE_CHECKING:
    from facenet.types import Image
    from facenet_yolo import Options

_MOST_FACES = 5000
"""In one photo; ultralytics stops at 300 if it is not told."""
_SMALLEST_SIDE = 8
"""Pixels that the shorter side of a photo must have, as it is looked at, to hold a face."""
_SLOW = 2000
"""Milliseconds of sorting out boxes after which ultralytics leaves out those of later photos."""
_UNKNOWN_TYPES = (
    "; ULTRALYTICS_SAFE_LOAD=false in the environment allows any, and any code, in a file you trust"
)


class YoloDetector:
    """Finds faces in photos, each in a square of its own, on `device`.

    Photos are put through the network in one batch where the file allows it. Raises `ModelError`
    naming the file when it cannot be loaded or does not find faces, and `DeviceError`.
    """

    def __init__(self, options: Options, device: str) -> None:
        path = find_weights(options.weights)
        self.licence = options.weights_licence
        self._arguments: dict[str, Any] = {
            "conf": options.confidence,
            "iou": options.overlap,
            "imgsz": options.max_side,
            "device": torch.device(device),
            "max_det": _MOST_FACES,
            "agnostic_nms": True,
            "rect": False,  # the shape of the input would depend on the other photos
            "verbose": False,
        }
        with contained() as folder:
            check_device(path, device)
            self._model = _load(path, folder, self._arguments)
        network = self._model.predictor.model
        if torch.device(network.device).type != device:
            raise DeviceError(
                f"{path}: ultralytics runs it on {network.device}, not on {device}; set device: cpu"
            )
        self._arguments["classes"] = _face_classes(path, network.names)
        self._batched = path.suffix.lower() == ".pt" or bool(network.dynamic)
        own_size = () if self._batched else network.imgsz
        self.working_size = min(options.max_side, max(own_size, default=options.max_side))

    def __call__(self, images: Sequence[Image]) -> list[list[Face]]:
        """The faces of each RGB uint8 image, best first."""
        answers: list[list[Face]] = [[] for _ in images]
        rows = [row for row, image in enumerate(images) if self._can_hold_a_face(image)]
        photos = [np.ascontiguousarray(images[row][:, :, ::-1]) for row in rows]
        for row, result in zip(rows, self._predict(photos), strict=True):
            answers[row] = _faces(images[row], result)
        return answers

    def _can_hold_a_face(self, image: Image) -> bool:
        short, long = sorted(image.shape[:2])
        return bool(short * min(1, self.working_size / long) >= _SMALLEST_SIDE)

    def _predict(self, photos: list[Image]) -> list[Any]:
        """ultralytics' results for BGR photos."""
        if self._batched and len(photos) > 1:
            results = list(self._model.predict(photos, **self._arguments))
            if sum(result.speed["postprocess"] for result in results) < _SLOW:
                return results
        return [self._model.predict([photo], **self._arguments)[0] for photo in photos]


def _load(path: Path, folder: Path, arguments: dict[str, Any]) -> Any:
    """The model, after it has seen a black photo."""
    from ultralytics.models import YOLO

    # Under its own name a file may be taken for another: ultralytics replaces yolov5n.pt by one
    # that it downloads, and reads formats and tasks out of names.
    alias = folder / f"weights{path.suffix.lower()}"
    alias.symlink_to(path.absolute())
    try:
        model = YOLO(alias)
        if model.task in ("detect", "pose"):
            side = arguments["imgsz"]
            model.predict([np.zeros((side, side, 3), np.uint8)], **arguments)
    except Exception as error:  # those of ultralytics and of three formats' readers
        raise ModelError(
            f"{path}: not a model that ultralytics runs: {_reason(error, alias, path)}"
        ) from error
    if model.task not in ("detect", "pose"):
        raise ModelError(f"{path}: is a model to {model.task}; name one to detect faces")
    return model


def _reason(error: Exception, alias: Path, path: Path) -> str:
    text = str(error).partition("\n")[0].partition(". ")[0].removeprefix("ERROR \u274c\ufe0f ")
    remedy = _UNKNOWN_TYPES if "references types outside" in text else ""
    return f"{type(error).__name__}: {text.replace(str(alias), path.name)}{remedy}"


def _face_classes(path: Path, names: dict[int, str]) -> list[int] | None:
    """The classes that are faces; None: all there are."""
    if len(names) == 1:
        return None
    faces = [number for number, name in names.items() if "face" in name.lower()]
    if not faces:
        some = ", ".join(list(names.values())[:3])
        raise ModelError(f"{path}: finds {some}, ..., and has no class called face")
    return faces


def _faces(image: Image, result: Any) -> list[Face]:
    landmarks = None
    if result.keypoints is not None and result.keypoints.shape[1:2] == (5,):
        landmarks = result.keypoints.xy.cpu().numpy()
    boxes = result.boxes.cpu().numpy()
    return to_faces(image, boxes.xyxy, boxes.conf, landmarks)
