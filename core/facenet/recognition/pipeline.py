"""From a photo to aligned faces, and from those to embeddings."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from facenet.config import InferenceConfig
from facenet.errors import ImageError
from facenet.imaging import ImageSource, Photo, View, align, is_whole, open_photo
from facenet.models import EmbeddingModel
from facenet.recognition.batching import SharedBatches
from facenet.types import Detector, Face, ImageLimits

if TYPE_CHECKING:
    from facenet.types import Image, Vector

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """An aligned face, (S, S, 3) uint8: where it was found, among how many faces of the photo
    `source`, and a key of its content."""

    source: str
    face: Face
    pixels: Image
    key: str
    faces: int


class Pipeline:
    """Decodes, detects, aligns and embeds; may be used from several threads.

    Concurrent callers share the calls of detector and model, at most `batch_size` images in one.
    """

    def __init__(self, model: EmbeddingModel, detector: Detector, config: InferenceConfig) -> None:
        self.model = model
        self.config = config
        self.limits = ImageLimits(**config.images.model_dump())
        self._working_size: int | None = getattr(detector, "working_size", None)
        self._warned = False
        self._detect = SharedBatches(detector, config.batch_size)
        self._embed: dict[bool, SharedBatches[Image, Vector]] = {
            unit: SharedBatches(partial(_embed, model, unit), config.batch_size)
            for unit in (False, True)
        }

    def open(self, source: ImageSource) -> Photo:
        """Open an image within the configured limits; raises `ImageError`."""
        return open_photo(source, self.limits)

    def faces(self, photo: Photo) -> list[Face]:
        """The faces of a photo, best first, of at least `detection_threshold`, in its pixels."""
        size = self.model.card.preprocessing.image_size
        view = photo.within(self._working_size, next_scale=size / min(photo.size))
        [found] = self._detect([view.pixels])
        return [
            _in_photo(face, view, photo)
            for face in found
            if face.score >= self.config.detection_threshold
        ]

    def crops(self, source: ImageSource) -> list[Crop]:
        """The aligned faces of an image, best first; maybe none."""
        photo = self.open(source)
        faces = self.faces(photo)
        return [self._crop(photo, face, len(faces)) for face in faces]

    def best_crop(self, source: ImageSource) -> Crop:
        """The aligned best face of an image; raises `ImageError` when it has none."""
        photo = self.open(source)
        faces = self.faces(photo)
        if not faces:
            raise ImageError(f"{photo.name}: no face found")
        if len(faces) > 1:
            logger.warning("%s: %d faces, the best one is used", photo.name, len(faces))
        return self._crop(photo, faces[0], len(faces))

    def _crop(self, photo: Photo, face: Face, faces: int) -> Crop:
        preprocessing = self.model.card.preprocessing
        if preprocessing.alignment != "none" and is_whole(photo, face) and not self._warned:
            self._warned = True
            logger.warning(
                "detector %s takes each photo for a face that is %s-aligned already, as this model "
                "wants it; for photos as cameras make them choose another, such as yunet",
                self.config.detector.plugin,
                preprocessing.alignment,
            )
        pixels = align(photo, face, preprocessing.alignment, preprocessing.image_size)
        return Crop(photo.name, face, pixels, hashlib.sha256(pixels.tobytes()).hexdigest(), faces)

    def embed(self, crops: Sequence[Crop], *, normalize: bool | None = None) -> Vector:
        """(N, D) float32 embeddings of aligned faces; `normalize` None: as configured."""
        unit = self.config.normalize_embeddings if normalize is None else normalize
        rows = self._embed[unit]([crop.pixels for crop in crops])
        return np.array(rows, np.float32).reshape(-1, self.model.embedding_dim)


def _embed(model: EmbeddingModel, unit: bool, pixels: list[Image]) -> list[Vector]:
    return list(model.embed(np.stack(pixels), normalize=unit))


def _in_photo(face: Face, view: View, photo: Photo) -> Face:
    """A face of a view, in pixels of the photo."""
    left, top, right, bottom = face.box
    width, height = photo.size
    box = (
        max(left / view.scale_x, 0.0),
        max(top / view.scale_y, 0.0),
        min(right / view.scale_x, width),
        min(bottom / view.scale_y, height),
    )
    if face.landmarks is None:
        return replace(face, box=box)
    scale = np.array([view.scale_x, view.scale_y])
    return replace(face, box=box, landmarks=(face.landmarks / scale).astype(np.float32))
