"""From uint8 pixels to the numbers that a network takes."""

from __future__ import annotations

import torch
from torch import nn

from facenet.models.card import Preprocessing


class ToInput(nn.Module):
    """(N, 3, S, S) uint8 to float32, `(pixels / 255 - mean) / std`, in one multiplication and one
    addition; the channels are in the order of `color`."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        mean, std = torch.tensor(preprocessing.mean), torch.tensor(preprocessing.std)
        # Buffers, so that they move to another device with the module; never part of its weights.
        self.register_buffer("scale", (1 / (255 * std))[:, None, None], persistent=False)
        self.register_buffer("shift", (-mean / std)[:, None, None], persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels * self.scale + self.shift
