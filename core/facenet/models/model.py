"""A trained model, ready to embed faces."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torchvision.transforms import v2

from facenet.errors import ModelError
from facenet.models.card import ModelCard, Preprocessing
from facenet.models.network import EmbeddingNetwork

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


def load_model(path: str | Path, device: torch.device | str = "cpu") -> EmbeddingModel:
    """Load a bundle (a folder) or a training checkpoint (a .ckpt file).

    Raises `ModelError` when it is neither, damaged, or made by a newer facenet.
    """
    from facenet.models.bundle import load_bundle
    from facenet.models.checkpoint import load_checkpoint

    path = Path(path)
    if not path.exists():
        raise ModelError(f"{path}: no such checkpoint or bundle")
    load = load_bundle if path.is_dir() else load_checkpoint
    network, card = load(path)
    return EmbeddingModel(network, card, device)


def pixel_transform(preprocessing: Preprocessing) -> v2.Compose:
    """From (N, 3, S, S) uint8 face crops to the float input of the network, on their device."""
    return v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(list(preprocessing.mean), list(preprocessing.std)),
        ]
    )


def embedding_space(weights: Mapping[str, torch.Tensor], preprocessing: Preprocessing) -> str:
    """The id of an embedding space: 16 hexadecimal digits of a SHA-256.

    Two models have the same id exactly when names, types, shapes and values of all weights and
    the preprocessing agree, whatever file they came from.
    """
    digest = hashlib.sha256(preprocessing.model_dump_json().encode())
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def load_weights(
    network: EmbeddingNetwork, weights: Mapping[str, torch.Tensor], path: Path, backbone: str
) -> None:
    """Fill a network; raises `ModelError` when the weights are those of another one."""
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise ModelError(f"{path}: the weights do not fit {backbone}: {reason}") from error


def resized(model: EmbeddingModel, image_size: int) -> EmbeddingModel:
    """The same weights with another input size: another preprocessing, so another space."""
    preprocessing = model.card.preprocessing.model_copy(update={"image_size": image_size})
    space = embedding_space(model.network.state_dict(), preprocessing)
    card = model.card.model_copy(
        update={"preprocessing": preprocessing, "space": space, "calibration": None}
    )
    return EmbeddingModel(model.network, card, model.device)
