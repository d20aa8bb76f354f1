"""A trained model, ready to embed faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torchvision.transforms import v2

from facenet.errors import ModelError
from facenet.models.card import ModelCard, Preprocessing
from facenet.models.network import EmbeddingNetwork
from facenet.models.weights import embedding_space

if TYPE_CHECKING:
    from facenet.types import Image, Vector


class EmbeddingModel:
    """A network together with its card; the one object that turns face crops into embeddings."""

    def __init__(
        self, network: EmbeddingNetwork, card: ModelCard, device: torch.device | str = "cpu"
    ) -> None:
        self.device = torch.device(device)
        self.network = network.eval().requires_grad_(False).to(self.device)
        self.card = card
        self._to_input = pixel_transform(card.preprocessing)

    @property
    def embedding_dim(self) -> int:
        """D, the length of an embedding."""
        return self.card.network.embedding_dim

    @torch.inference_mode()
    def embed(self, faces: Image, *, normalize: bool = True) -> Vector:
        """(N, S, S, 3) uint8 RGB face crops to (N, D) float32 embeddings.

        S is `card.preprocessing.image_size`. With `normalize` they have unit length.
        """
        size = self.card.preprocessing.image_size
        if faces.ndim != 4 or faces.shape[1:] != (size, size, 3) or faces.dtype != np.uint8:
            raise ModelError(
                f"faces of shape {faces.shape} and type {faces.dtype}: "
                f"this model takes (N, {size}, {size}, 3) uint8"
            )
        pixels = torch.from_numpy(np.ascontiguousarray(faces)).permute(0, 3, 1, 2)
        forward = self.network if normalize else self.network.project
        return forward(self._to_input(pixels.to(self.device))).float().cpu().numpy()


def pixel_transform(preprocessing: Preprocessing) -> v2.Compose:
    """From (N, 3, S, S) uint8 face crops to the float input of the network, on their device."""
    return v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(list(preprocessing.mean), list(preprocessing.std)),
        ]
    )


def resized(model: EmbeddingModel, image_size: int) -> EmbeddingModel:
    """The same weights with another input size: another preprocessing, so another space.

    Raises `ModelError` when the network takes one size only.
    """
    preprocessing = model.card.preprocessing.model_copy(update={"image_size": image_size})
    space = embedding_space(model.network.state_dict(), preprocessing)
    card = model.card.model_copy(
        update={"preprocessing": preprocessing, "space": space, "calibration": None}
    )
    other = EmbeddingModel(model.network, card, model.device)
    try:
        other.embed(np.zeros((1, image_size, image_size, 3), np.uint8))
    except (AssertionError, RuntimeError) as error:
        own = model.card.preprocessing.image_size
        raise ModelError(
            f"image_size {image_size}: this {card.network.backbone} does not take it, "
            f"its own is {own}"
        ) from error
    return other
