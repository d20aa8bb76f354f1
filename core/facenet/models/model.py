"""A trained model, ready to embed faces, whatever computes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from facenet.errors import ModelError
from facenet.models.card import ModelCard

if TYPE_CHECKING:
    from facenet.types import Image, Vector


class EmbeddingModel(ABC):
    """Weights together with their card; the one object that turns face crops into embeddings.

    Several threads may embed at a time.
    """

    weights_name: ClassVar[str]
    """The file of a bundle that holds the weights."""

    def __init__(self, card: ModelCard, device: torch.device | str = "cpu") -> None:
        self.card = card
        self.device = torch.device(device)

    @property
    def embedding_dim(self) -> int:
        """D, the length of an embedding."""
        return self.card.network.embedding_dim

    def embed(self, faces: Image, *, normalize: bool = True) -> Vector:
        """(N, S, S, 3) uint8 RGB face crops to (N, D) float32 embeddings.

        S is `card.preprocessing.image_size`; the network's own order of colours is seen to here.
        With `normalize` they have unit length.
        """
        size = self.card.preprocessing.image_size
        if faces.ndim != 4 or faces.shape[1:] != (size, size, 3) or faces.dtype != np.uint8:
            raise ModelError(
                f"faces of shape {faces.shape} and type {faces.dtype}: "
                f"this model takes (N, {size}, {size}, 3) uint8"
            )
        if not len(faces):
            return np.empty((0, self.embedding_dim), np.float32)
        if self.card.preprocessing.color == "bgr":
            faces = faces[..., ::-1]
        return self._embed(np.ascontiguousarray(faces), normalize=normalize)

    @abstractmethod
    def _embed(self, faces: Image, *, normalize: bool) -> Vector:
        """As `embed`, for at least one crop, contiguous, in the network's own order of colours."""

    @abstractmethod
    def write_weights(self, folder: Path) -> None:
        """Write `weights_name` into a folder."""
