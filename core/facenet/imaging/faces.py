"""From the numbers of a detection network to the faces that a detector answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from facenet.types import Face

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facenet.types import Image


def to_faces(
    image: Image,
    boxes: NDArray[Any],
    scores: NDArray[Any],
    landmarks: NDArray[Any] | None = None,
) -> list[Face]:
    """The faces of an (H, W, 3) image as a `Detector` must give them, best first.

    `boxes` is (N, 4), x1, y1, x2, y2 in the image's pixels, `scores` is (N,), `landmarks` is
    (N, 5, 2) or None. Boxes are clipped to the image and scores to 0..1; of a box that lies
    outside nothing is left, and its face is dropped.
    """
    height, width = image.shape[:2]
    boxes = boxes.clip(0, (width, height, width, height))
    scores = scores.clip(0, 1)
    seen = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    best_first = np.argsort(-scores, kind="stable")
    return [
        Face(
            box=tuple(boxes[row].tolist()),
            score=float(scores[row]),
            landmarks=None if landmarks is None else landmarks[row].astype(np.float32),
        )
        for row in best_first
        if seen[row]
    ]
