"""Random changes to a batch of training images, drawn for each image by itself.

torchvision's own random transforms draw once for a whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from itertools import groupby

import torch
from torchvision.transforms.v2.functional import to_dtype

from facenet.data import changes

BRIGHTNESS = CONTRAST = (0.7, 1.3)
SATURATION = (0.8, 1.2)
CROP_AREA, CROP_RATIO = (0.7, 1.0), (0.9, 1.1)
ROTATION_DEGREES = 10.0
BLURRED_SHARE, BLUR_SIGMA = 0.5, (0.002, 0.015)
"""How many images are blurred, and the standard deviation as a share of the image's side."""
JPEG_QUALITY = (30, 90)

Step = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


class Augmentation:
    """A chain of named changes, applied in their order; the same seed makes the same changes.

    Takes and gives (B, 3, S, S) images of one type: uint8 in 0..255, float16 or float32 in 0..1.
    In between they are float32, so that bytes are rounded once, at the end.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._steps = list(_steps(names))

    def __call__(self, images: torch.Tensor, seed: int) -> torch.Tensor:
        if not self._steps:
            return images
        random = torch.Generator().manual_seed(seed)
        changed = to_dtype(images.contiguous(), torch.float32, scale=True)
        for step in self._steps:
            changed = step(changed, random)
        result: torch.Tensor = to_dtype(changed, images.dtype, scale=True)
        return result


def _steps(names: Sequence[str]) -> Iterator[Step]:
    """Neighbouring changes of geometry become one: pixels are interpolated once."""
    for moves, group in groupby(names, key=_MAPS.__contains__):
        neighbours = list(group)
        if not moves:
            yield from (_CHANGES[name] for name in neighbours)
        elif neighbours == ["flip"]:
            yield _random_flip
        else:
            yield _random_warp([_MAPS[name] for name in neighbours])


def _random_warp(draws: list[Callable[[int, torch.Generator], torch.Tensor]]) -> Step:
    def step(images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        # Maps lead from output to input: the first change comes first in the product.
        maps = reduce(torch.matmul, (draw(len(images), random) for draw in draws))
        return changes.warp(images, maps)

    return step


def _random_flip(images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    return changes.flip(images, _uniform(len(images), (0, 1), random) < 0.5)


def _random_color(images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """torchvision's ColorJitter: three changes in random order; here one order for the batch."""
    for number in torch.randperm(3, generator=random).tolist():
        adjust, limits = _COLORS[number]
        images = adjust(images, _uniform(len(images), limits, random))
    return images


def _random_blur(images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    side = images.shape[-1]
    chosen = _uniform(len(images), (0, 1), random) < BLURRED_SHARE
    return changes.blur(images, chosen * side * _uniform(len(images), BLUR_SIGMA, random))


def _random_jpeg(images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    low, high = JPEG_QUALITY
    return changes.compress(images, torch.randint(low, high + 1, (len(images),), generator=random))


def _draw_flips(count: int, random: torch.Generator) -> torch.Tensor:
    return changes.flip_map(_uniform(count, (0, 1), random) < 0.5)


def _draw_crops(count: int, random: torch.Generator) -> torch.Tensor:
    """As torchvision's RandomResizedCrop draws them, but not rounded to whole pixels."""
    area = _uniform(count, CROP_AREA, random)
    low, high = CROP_RATIO
    ratio = _uniform(count, (math.log(low), math.log(high)), random).exp()
    sides = torch.stack([area * ratio, area / ratio], dim=1).sqrt().clamp(max=1)
    corners = torch.rand((count, 2), generator=random) * (1 - sides)
    return changes.crop_map(torch.cat([corners, sides], dim=1))


def _draw_rotations(count: int, random: torch.Generator) -> torch.Tensor:
    return changes.rotation_map(_uniform(count, (-ROTATION_DEGREES, ROTATION_DEGREES), random))


_COLORS = (
    (changes.adjust_brightness, BRIGHTNESS),
    (changes.adjust_contrast, CONTRAST),
    (changes.adjust_saturation, SATURATION),
)
_CHANGES: dict[str, Step] = {"color": _random_color, "blur": _random_blur, "jpeg": _random_jpeg}
_MAPS = {"flip": _draw_flips, "crop": _draw_crops, "rotation": _draw_rotations}


def _uniform(count: int, limits: tuple[float, float], random: torch.Generator) -> torch.Tensor:
    low, high = limits
    return low + (high - low) * torch.rand(count, generator=random)
