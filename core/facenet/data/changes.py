"""Changes to a batch of images, (B, 3, S, S) float in 0..1, with one parameter for each image.

Most of torchvision's kernels take one parameter for a whole batch. What is done here without them
is the same arithmetic; blur and JPEG compression are torchvision's kernels, image by image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch.nn import functional
from torchvision.transforms.v2 import functional as kernels


def flip(images: torch.Tensor, flipped: torch.Tensor) -> torch.Tensor:
    """Mirror the images that (B,) bool `flipped` names, left to right."""
    return torch.where(flipped[:, None, None, None], images.flip(-1), images)


def adjust_brightness(images: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """torchvision's `adjust_brightness` with (B,) factors."""
    return images.mul(_per_image(factors)).clamp_(0, 1)


def adjust_contrast(images: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """torchvision's `adjust_contrast` with (B,) factors."""
    grey = kernels.rgb_to_grayscale(images).mean(dim=(1, 2, 3), keepdim=True)
    return _blend(images, grey, factors)


def adjust_saturation(images: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """torchvision's `adjust_saturation` with (B,) factors."""
    return _blend(images, kernels.rgb_to_grayscale(images), factors)


def flip_map(flipped: torch.Tensor) -> torch.Tensor:
    """The map of `flip`; maps are (B, 3, 3) and lead from output to input.

    Points are (x, y, 1), with x and y in -1..1 over an image, as in `affine_grid`.
    """
    sign = 1.0 - 2.0 * flipped
    return _maps([sign, 0.0, 0.0], [0.0, 1.0, 0.0])


def crop_map(boxes: torch.Tensor) -> torch.Tensor:
    """The map that enlarges (B, 4) boxes of left, top, width, height, as shares of the side."""
    left, top, width, height = boxes.unbind(1)
    return _maps(
        [width, 0.0, 2 * left + width - 1],
        [0.0, height, 2 * top + height - 1],
    )


def rotation_map(degrees: torch.Tensor) -> torch.Tensor:
    """The map that turns square images counter-clockwise by (B,) angles."""
    sine, cosine = degrees.deg2rad().sin(), degrees.deg2rad().cos()
    return _maps([cosine, -sine, 0.0], [sine, cosine, 0.0])


def warp(images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Move the pixels of each image by its map, bilinearly; the border continues outside."""
    side = images.shape[-1]
    centres = (torch.arange(side) * 2 + 1) / side - 1
    # affine_grid's arithmetic as one sum: its matrix product takes longer than the sampling.
    column, row, offset = (maps[:, None, None, :2, axis] for axis in range(3))
    grid = centres[:, None] * column + (centres[:, None, None] * row + offset)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def blur(images: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """Gaussian blur with (B,) standard deviations, as shares of the side; 0 does nothing."""
    blurred = images.clone()
    for index, sigma in enumerate((sigmas * images.shape[-1]).tolist()):
        if sigma:
            size = 2 * math.ceil(2 * sigma) + 1
            # One axis at a time: a kernel of size + size values in place of size x size.
            across = kernels.gaussian_blur(images[index], [size, 1], [sigma, sigma])
            blurred[index] = kernels.gaussian_blur(across, [1, size], [sigma, sigma])
    return blurred


def compress(images: torch.Tensor, qualities: torch.Tensor) -> torch.Tensor:
    """What JPEG makes of each image at its quality, (B,) integers in 1..100."""
    pixels = kernels.to_dtype(images, torch.uint8, scale=True)
    # Through Pillow: torchvision has announced the end of its own JPEG codec for tensors.
    compressed = [
        kernels.pil_to_tensor(kernels.jpeg(kernels.to_pil_image(image), quality))
        for image, quality in zip(pixels, qualities.tolist(), strict=True)
    ]
    result: torch.Tensor = kernels.to_dtype(torch.stack(compressed), images.dtype, scale=True)
    return result


def _per_image(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]


def _blend(images: torch.Tensor, others: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    shares = _per_image(factors)
    return images.mul(shares).add_(others * (1 - shares)).clamp_(0, 1)


def _maps(*rows: Sequence[torch.Tensor | float]) -> torch.Tensor:
    """(B, 3, 3) from the two upper rows of a map, whose entries are (B,) or the same for all."""
    last: list[torch.Tensor | float] = [0.0, 0.0, 1.0]
    count = max(entry.numel() for row in rows for entry in row if isinstance(entry, torch.Tensor))
    entries = [torch.as_tensor(entry) for row in (*rows, last) for entry in row]
    return torch.stack([entry.expand(count) for entry in entries], dim=1).reshape(count, 3, 3)
