"""What every exported file computes: from pixels to embeddings, with nothing left to the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from facenet.models import TorchModel
from facenet.models.pixels import ToInput

if TYPE_CHECKING:
    from facenet.types import Image, Vector

    Exported = Callable[[Image], Vector]
    """An exported file at work: (N, 3, S, S) uint8 RGB to (N, D) float32 of unit length."""

FACES = "faces"
"""The dimension N, which a file leaves open."""


class PixelsToEmbeddings(nn.Module):
    """A model with its preprocessing: (N, 3, S, S) uint8 RGB to (N, D) float32 of unit length."""

    def __init__(self, model: TorchModel) -> None:
        super().__init__()
        prep = model.card.preprocessing
        self.network = model.network
        self.bgr = prep.color == "bgr"
        self.to_input = ToInput(prep)
        self.eval()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if self.bgr:
            pixels = pixels.flip(1)
        embeddings: torch.Tensor = self.network(self.to_input(pixels))
        return embeddings


def example_pixels(model: TorchModel) -> torch.Tensor:
    """(2, 3, S, S) uint8 to follow through the network; with one face N would be taken for 1."""
    size = model.card.preprocessing.image_size
    return torch.zeros((2, 3, size, size), dtype=torch.uint8)


def to_pixels(crops: Image) -> Image:
    """(N, S, S, 3) face crops as the (N, 3, S, S) that an exported file takes."""
    return np.ascontiguousarray(crops.transpose(0, 3, 1, 2))


def run_module(module: Callable[[torch.Tensor], torch.Tensor]) -> Exported:
    """A loaded torch module as an `Exported`."""

    def run(pixels: Image) -> Vector:
        with torch.inference_mode():
            embeddings: Vector = module(torch.from_numpy(pixels)).numpy()
        return embeddings

    return run
