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

PIECE = 8
"""Images that are changed at a time: so few that they stay in the processor's cache."""

Change = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Takes (B, 3, S, S) float images in 0..1 and (B, ...) parameters, and gives such images."""
Draw = Callable[[int, torch.Generator], Iterator[tuple[Change, torch.Tensor]]]
"""Chooses what is done to so many images: changes in order, each with its parameters."""


class Augmentation:
    """A chain of named changes, applied in their order; the same seed makes the same changes.

    Takes and gives (B, 3, S, S) images of one type: uint8 in 0..255, float16 or float32 in 0..1.
    In between they are float32, so that bytes are rounded once, at the end.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._draws = list(_draws(names))

    def __call__(self, images: torch.Tensor, seed: int) -> torch.Tensor:
        random = torch.Generator().manual_seed(seed)
        plan = [each for draw in self._draws for each in draw(len(images), random)]
        if not plan:
            return images.contiguous()
        result = torch.empty(images.shape, dtype=images.dtype)
        for start in range(0, len(images), PIECE):
            piece = slice(start, start + PIECE)
            changed = to_dtype(images[piece], torch.float32, scale=True).contiguous()
            for change, parameters in plan:
                changed = change(changed, parameters[piece])
            result[piece] = to_dtype(changed, images.dtype, scale=True)
        return result


def _draws(names: Sequence[str]) -> Iterator[Draw]:
    """Neighbouring changes of geometry become one: pixels are interpolated once."""
    for moves, group in groupby(_flips_later(names), key=_MAPS.__contains__):
        neighbours = list(group)
        if not moves:
            yield from (_CHANGES[name] for name in neighbours)
        elif neighbours == ["flip"]:
            yield _draw_flip
        else:
            yield _draw_warp([_MAPS[name] for name in neighbours])


def _flips_later(names: Sequence[str]) -> list[str]:
    """Colours change alike wherever a pixel is: a flip may wait for the next change of geometry."""
    ordered = list(names)
    for place in range(len(ordered) - 1):
        if ordered[place : place + 2] == ["flip", "color"]:
            ordered[place : place + 2] = ["color", "flip"]
    return ordered


def _draw_warp(draws: list[Callable[[int, torch.Generator], torch.Tensor]]) -> Draw:
    def draw(count: int, random: torch.Generator) -> Iterator[tuple[Change, torch.Tensor]]:
        # Maps lead from output to input: the first change comes first in the product.
        yield changes.warp, reduce(torch.matmul, (maps(count, random) for maps in draws))

    return draw


def _draw_flip(count: int, random: torch.Generator) -> Iterator[tuple[Change, torch.Tensor]]:
    yield changes.flip, _uniform(count, (0, 1), random) < 0.5


def _draw_color(count: int, random: torch.Generator) -> Iterator[tuple[Change, torch.Tensor]]:
    """torchvision's ColorJitter: three changes in random order; here one order for the batch."""
    for number in torch.randperm(3, generator=random).tolist():
        change, limits = _COLORS[number]
        yield change, _uniform(count, limits, random)


def _draw_blur(count: int, random: torch.Generator) -> Iterator[tuple[Change, torch.Tensor]]:
    chosen = _uniform(count, (0, 1), random) < BLURRED_SHARE
    yield changes.blur, chosen * _uniform(count, BLUR_SIGMA, random)


def _draw_jpeg(count: int, random: torch.Generator) -> Iterator[tuple[Change, torch.Tensor]]:
    low, high = JPEG_QUALITY
    yield changes.compress, torch.randint(low, high + 1, (count,), generator=random)


def _flip_maps(count: int, random: torch.Generator) -> torch.Tensor:
    return changes.flip_map(_uniform(count, (0, 1), random) < 0.5)


def _crop_maps(count: int, random: torch.Generator) -> torch.Tensor:
    """As torchvision's RandomResizedCrop draws them, but not rounded to whole pixels."""
    area = _uniform(count, CROP_AREA, random)
    low, high = CROP_RATIO
    ratio = _uniform(count, (math.log(low), math.log(high)), random).exp()
    sides = torch.stack([area * ratio, area / ratio], dim=1).sqrt().clamp(max=1)
    corners = torch.rand((count, 2), generator=random) * (1 - sides)
    return changes.crop_map(torch.cat([corners, sides], dim=1))


def _rotation_maps(count: int, random: torch.Generator) -> torch.Tensor:
    return changes.rotation_map(_uniform(count, (-ROTATION_DEGREES, ROTATION_DEGREES), random))


_COLORS: tuple[tuple[Change, tuple[float, float]], ...] = (
    (changes.adjust_brightness, BRIGHTNESS),
    (changes.adjust_contrast, CONTRAST),
    (changes.adjust_saturation, SATURATION),
)
_CHANGES: dict[str, Draw] = {"color": _draw_color, "blur": _draw_blur, "jpeg": _draw_jpeg}
_MAPS = {"flip": _flip_maps, "crop": _crop_maps, "rotation": _rotation_maps}


def _uniform(count: int, limits: tuple[float, float], random: torch.Generator) -> torch.Tensor:
    low, high = limits
    return low + (high - low) * torch.rand(count, generator=random)
