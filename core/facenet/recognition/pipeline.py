"""From a photo to the embeddings of its faces."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from facenet.config import InferenceConfig
from facenet.models import EmbeddingModel
from facenet.recognition.batching import SharedBatches
from facenet.recognition.cropping import Crop, Cropper
from facenet.types import Detector

if TYPE_CHECKING:
    from facenet.types import Image, Vector


class Pipeline(Cropper):
    """Decodes, detects, aligns as the model wants it, and embeds; may be used from several threads.

    Concurrent callers share the calls of detector and model, at most `batch_size` images in one.
    """

    def __init__(self, model: EmbeddingModel, detector: Detector, config: InferenceConfig) -> None:
        preprocessing = model.card.preprocessing
        super().__init__(detector, config, preprocessing.alignment, preprocessing.image_size)
        self.model = model
        self._embed: dict[bool, SharedBatches[Image, Vector]] = {
            unit: SharedBatches(partial(self._embed_batch, unit), config.batch_size)
            for unit in (False, True)
        }

    def embed_in(self, lanes: Executor | None) -> None:
        """Call the model in these threads from now on; None: in the callers', one at a time."""
        for shared in self._embed.values():
            shared.lanes = lanes

    def embed(self, crops: Sequence[Crop], *, normalize: bool | None = None) -> Vector:
        """(N, D) float32 embeddings of aligned faces; `normalize` None: as configured."""
        unit = self.config.normalize_embeddings if normalize is None else normalize
        rows = self._embed[unit]([crop.pixels for crop in crops])
        return np.array(rows, np.float32).reshape(-1, self.model.embedding_dim)

    def _embed_batch(self, unit: bool, pixels: list[Image]) -> list[Vector]:
        self.on_batch("embed", len(pixels))
        return list(self.model.embed(np.stack(pixels), normalize=unit))
