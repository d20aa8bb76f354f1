"""Models whose network facenet builds and torch computes."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from safetensors.torch import save_file

from facenet.errors import ModelError
from facenet.models.card import ModelCard
from facenet.models.fusing import fused
from facenet.models.model import EmbeddingModel
from facenet.models.network import EmbeddingNetwork
from facenet.models.pixels import ToInput
from facenet.models.weights import embedding_space

if TYPE_CHECKING:
    from facenet.types import Image, Vector


class TorchModel(EmbeddingModel):
    """An `EmbeddingNetwork` in eval mode, on its device."""

    weights_name: ClassVar[str] = "model.safetensors"

    def __init__(
        self, network: EmbeddingNetwork, card: ModelCard, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(card, device)
        self.network = network.eval().requires_grad_(False).to(self.device)
        self._to_input = ToInput(card.preprocessing).to(self.device)

    @cached_property
    def _fused(self) -> EmbeddingNetwork:
        return fused(self.network, self.card.preprocessing.image_size)

    @torch.inference_mode()
    def _embed(self, faces: Image, *, normalize: bool) -> Vector:
        pixels = torch.from_numpy(faces).permute(0, 3, 1, 2)
        forward = self._fused if normalize else self._fused.project
        return forward(self._to_input(pixels.to(self.device))).float().cpu().numpy()

    def write_weights(self, folder: Path) -> None:
        state = self.network.state_dict()
        weights = {name: tensor.cpu().contiguous() for name, tensor in state.items()}
        path = folder / self.weights_name
        path.touch()
        mode = path.stat().st_mode
        save_file(weights, path)
        path.chmod(mode)  # as files of this user are; the library lets nobody else read it


def resized(model: EmbeddingModel, image_size: int) -> TorchModel:
    """The same weights with another input size: another preprocessing, so another space.

    Raises `ModelError` when the network takes one size only.
    """
    own, network = model.card.preprocessing.image_size, model.card.network
    refusal = f"image_size {image_size}: this {network} does not take it, its own is {own}"
    if not isinstance(model, TorchModel):
        raise ModelError(refusal)
    preprocessing = model.card.preprocessing.model_copy(update={"image_size": image_size})
    space = embedding_space(model.network.state_dict(), preprocessing)
    # What was measured and recorded at the model's own size does not hold at another.
    card = model.card.model_copy(
        update={
            "preprocessing": preprocessing,
            "space": space,
            "calibration": None,
            "measured_on": None,
            "metrics": {},
            "reference": (),
        }
    )
    other = TorchModel(model.network, card, model.device)
    try:
        other.embed(np.zeros((1, image_size, image_size, 3), np.uint8))
    except (AssertionError, RuntimeError) as error:
        raise ModelError(refusal) from error
    return other
