"""Random changes to training images: torchvision's arithmetic, with parameters for each image."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as kernels

from facenet.config.train import Augmentation as Name
from facenet.data import Augmentation, changes
from facenet.drawn_faces import draw_face

NAMES = get_args(Name)
SIZE = 48
ONE_LEVEL = 1 / 255


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """(6, 3, 48, 48) float in 0..1: drawn faces."""
    faces = [kernels.pil_to_tensor(draw_face(number, 0, size=SIZE)) for number in range(6)]
    return torch.stack(faces) / 255


def per_image(kernel, images: torch.Tensor, *parameters) -> torch.Tensor:
    """torchvision's kernel on one image after the other."""
    return torch.stack([kernel(*each) for each in zip(images, *parameters, strict=True)])


def test_flip_is_torchvisions(images: torch.Tensor) -> None:
    flipped = torch.tensor([True, False, True, False, False, True])
    expected = torch.where(flipped[:, None, None, None], kernels.horizontal_flip(images), images)
    assert torch.equal(changes.flip(images, flipped), expected)
    warped = changes.warp(images, changes.flip_map(flipped))
    torch.testing.assert_close(warped, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["adjust_brightness", "adjust_contrast", "adjust_saturation"])
def test_colour_is_torchvisions(images: torch.Tensor, name: str) -> None:
    factors = [0.5, 0.7, 0.9, 1.0, 1.2, 1.5]
    changed = getattr(changes, name)(images, torch.tensor(factors))
    expected = per_image(getattr(kernels, name), images, factors)
    torch.testing.assert_close(changed, expected, atol=1e-6, rtol=0)


def test_crop_is_torchvisions(images: torch.Tensor) -> None:
    boxes = torch.tensor([[0, 0, 48, 48], [8, 4, 40, 36], [0, 8, 42, 40]]) / SIZE
    changed = changes.warp(images[:3], changes.crop_map(boxes))
    for image, got, box in zip(images, changed, (boxes * SIZE).int().tolist(), strict=False):
        left, top, width, height = box
        expected = kernels.resized_crop(image, top, left, height, width, [SIZE, SIZE])
        # torchvision sees nothing beyond the box, so that its outermost pixels differ.
        inside = (slice(None), slice(2, -2), slice(2, -2))
        torch.testing.assert_close(got[inside], expected[inside], atol=ONE_LEVEL, rtol=0)


def test_rotation_is_torchvisions(images: torch.Tensor) -> None:
    degrees = [-10.0, -5.0, 0.0, 3.0, 7.5, 10.0]
    changed = changes.warp(images, changes.rotation_map(torch.tensor(degrees)))
    bilinear = v2.InterpolationMode.BILINEAR
    expected = per_image(lambda i, angle: kernels.rotate(i, angle, bilinear), images, degrees)
    # The corners, where torchvision leaves black, continue the border here.
    axis = torch.arange(SIZE) - (SIZE - 1) / 2
    disc = (axis[:, None] ** 2 + axis[None] ** 2) < (SIZE / 2 - 2) ** 2
    torch.testing.assert_close(changed * disc, expected * disc, atol=ONE_LEVEL, rtol=0)


def test_changes_of_geometry_compose_in_their_order(images: torch.Tensor) -> None:
    flips = changes.flip_map(torch.ones(6, dtype=torch.bool))
    turns = changes.rotation_map(torch.full((6,), 10.0))
    one_by_one = changes.warp(changes.warp(images, flips), turns)
    at_once = changes.warp(images, flips @ turns)
    torch.testing.assert_close(at_once, one_by_one, atol=1e-4, rtol=0)


def test_blur_is_torchvisions(images: torch.Tensor) -> None:
    sigmas = [0.0, 0.3, 0.5, 0.8, 1.0, 1.5]
    changed = changes.blur(images, torch.tensor(sigmas) / SIZE)
    assert torch.equal(changed[0], images[0])
    for image, got, sigma in zip(images[1:], changed[1:], sigmas[1:], strict=True):
        size = 2 * math.ceil(2 * sigma) + 1
        expected = kernels.gaussian_blur(image, [size, size], [sigma, sigma])
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


def test_compression_is_torchvisions(images: torch.Tensor) -> None:
    qualities = [30, 40, 50, 70, 80, 90]
    changed = changes.compress(images, torch.tensor(qualities))
    pixels = kernels.to_dtype(images, torch.uint8, scale=True)
    pictures = [
        kernels.jpeg(kernels.to_pil_image(i), q) for i, q in zip(pixels, qualities, strict=True)
    ]
    expected = torch.stack([kernels.pil_to_tensor(picture) for picture in pictures])
    assert torch.equal(kernels.to_dtype(changed, torch.uint8, scale=True), expected)


@pytest.mark.parametrize("name", NAMES)
def test_every_image_is_changed_in_its_own_way(images: torch.Tensor, name: str) -> None:
    same = kernels.to_dtype(images[:1], torch.uint8, scale=True).repeat(16, 1, 1, 1)
    changed = Augmentation([name])(same, seed=1)
    assert changed.is_contiguous()
    assert changed.shape == same.shape
    assert changed.dtype == same.dtype
    kinds = len({image.numpy().tobytes() for image in changed})
    assert kinds == 2 if name == "flip" else kinds > 6


@pytest.mark.parametrize("names", [[name] for name in NAMES] + [list(NAMES)], ids=str)
def test_the_seed_alone_decides(images: torch.Tensor, names: list[str]) -> None:
    before, random_state = images.clone(), torch.get_rng_state()
    augment = Augmentation(names)
    first = augment(images, seed=7)
    assert torch.equal(augment(images, seed=7), first)
    assert not torch.equal(augment(images, seed=8), first)
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), random_state)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32])
def test_images_keep_their_type_and_their_range(images: torch.Tensor, dtype: torch.dtype) -> None:
    typed = kernels.to_dtype(images, dtype, scale=True)
    changed = Augmentation(NAMES)(typed, seed=0)
    assert changed.dtype == dtype
    assert changed.min() >= 0
    assert changed.max() <= (255 if dtype == torch.uint8 else 1)
    assert torch.equal(Augmentation([])(typed, seed=0), typed)


def test_bytes_that_are_only_mirrored_keep_their_values(images: torch.Tensor) -> None:
    pixels = kernels.to_dtype(images, torch.uint8, scale=True)
    for mirrored, plain in zip(Augmentation(["flip"])(pixels, seed=3), pixels, strict=True):
        assert torch.equal(mirrored, plain) or torch.equal(mirrored, plain.flip(-1))


def test_changes_come_in_the_order_given(images: torch.Tensor) -> None:
    first, second = Augmentation(["crop", "jpeg"]), Augmentation(["jpeg", "crop"])
    assert not torch.equal(first(images, seed=0), second(images, seed=0))
