"""Types of pixels: bytes in 0..255, or floats in 0..1."""

from __future__ import annotations

import torch
from torchvision.transforms.v2.functional import to_dtype

from facenet.config.train import PixelType


def as_type(pixels: torch.Tensor, precision: PixelType) -> torch.Tensor:
    """Pixels of any of the types as another; bytes survive being stored as floats."""
    if precision == "uint8" and pixels.is_floating_point():
        # torchvision truncates 255.999 times the value, which float16 is too coarse for.
        return pixels.float().mul_(255).round_().to(torch.uint8)
    typed: torch.Tensor = to_dtype(pixels, getattr(torch, precision), scale=True)
    return typed
