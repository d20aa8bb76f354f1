"""A photo's pixels at the size that is asked for, and how its coordinates go with them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facenet.imaging import Photo, View, open_photo

WIDTH, HEIGHT = 4001, 2999
DOTS = [(20, 20), (WIDTH - 20, 20), (20, HEIGHT - 20), (WIDTH - 20, HEIGHT - 20), (1801, 1203)]
"""Where the middle of a bright square of 32 pixels lies in the photo."""


def encoded(pixels: np.ndarray, kind: str = "JPEG", orientation: int = 1, **options: Any) -> bytes:
    """An image file whose pixels are these once it is turned as its orientation says."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 6, 7):
        pixels = pixels[::-1]
    if orientation in (2, 3, 7, 8):
        pixels = pixels[:, ::-1]
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, kind, exif=exif, **options)
    return buffer.getvalue()


def dotted(width: int, height: int, dots: list[tuple[int, int]]) -> np.ndarray:
    pixels = np.zeros((height, width), np.uint8)
    for x, y in dots:
        pixels[max(0, y - 16) : y + 16, max(0, x - 16) : x + 16] = 255
    return pixels


def photo_of_noise(width: int, height: int, kind: str = "JPEG") -> Photo:
    coarse = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return open_photo(encoded(np.asarray(image), kind))


def places(view: View, dots: list[tuple[int, int]]) -> list[tuple[float, float]]:
    """The middles of the bright squares that are near the dots, in pixels of the photo."""
    found = []
    bright = view.pixels[..., 0].astype(float)
    reach_x, reach_y = 40 * view.scale_x, 40 * view.scale_y
    for x, y in dots:
        left, top = int(max(0, x * view.scale_x - reach_x)), int(max(0, y * view.scale_y - reach_y))
        part = bright[top : top + int(2 * reach_y), left : left + int(2 * reach_x)]
        rows, columns = np.mgrid[: part.shape[0], : part.shape[1]] + 0.5
        middle_x = left + (part * columns).sum() / part.sum()
        middle_y = top + (part * rows).sum() / part.sum()
        found.append((middle_x / view.scale_x, middle_y / view.scale_y))
    return found


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_dot_lies_where_the_scales_say_in_every_view(orientation: int) -> None:
    content = encoded(dotted(WIDTH, HEIGHT, DOTS), orientation=orientation, quality=90)
    for scale in (1 / 8, 1 / 5, 1 / 4, 1 / 2, 1):
        photo = open_photo(content)
        assert photo.size == (WIDTH, HEIGHT)
        view = photo.at(scale)
        assert view.scale_x >= scale
        found = np.array(places(view, DOTS))
        assert abs(found - DOTS).max() < 0.5  # of the photo's pixels, not of the view's


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("longest_side", [333, 960, 2999])
def test_a_dot_lies_where_the_scales_say_within_a_size(orientation: int, longest_side: int) -> None:
    photo = open_photo(encoded(dotted(WIDTH, HEIGHT, DOTS), orientation=orientation, quality=90))
    view = photo.within(longest_side)
    assert max(view.pixels.shape) == longest_side
    assert view.scale_x * WIDTH == pytest.approx(view.pixels.shape[1])
    assert view.scale_y * HEIGHT == pytest.approx(view.pixels.shape[0])
    assert abs(np.array(places(view, DOTS)) - DOTS).max() < 0.5


@settings(deadline=None, max_examples=60)
@given(
    size=st.tuples(st.integers(1, 99), st.integers(1, 99)),
    orientation=st.integers(1, 8),
    scale=st.floats(0.001, 3),
)
def test_no_view_is_smaller_than_was_asked_for(
    size: tuple[int, int], orientation: int, scale: float
) -> None:
    pixels = np.zeros((size[1], size[0]), np.uint8)
    photo = open_photo(encoded(pixels, orientation=orientation))
    view = photo.at(scale)
    assert photo.size == size
    assert min(scale, 1) <= view.scale_x == view.scale_y <= 1
    for length, side in zip(view.pixels.shape[1::-1], size, strict=True):
        assert 0 <= length - side * view.scale_x < 1


@pytest.mark.parametrize("size", [(4000, 3000), (4001, 2999)])
def test_an_eighth_is_decoded_where_an_eighth_is_enough(size: tuple[int, int]) -> None:
    view = photo_of_noise(*size).at(1 / 8)
    assert (view.scale_x, view.scale_y) == (1 / 8, 1 / 8)
    assert view.pixels.shape[1] == -(-size[0] // 8)


def test_a_jpeg_at_an_eighth_is_the_whole_one_reduced() -> None:
    small = photo_of_noise(2400, 1600).at(1 / 8).pixels
    whole = photo_of_noise(2400, 1600).at(1).pixels
    reduced = np.asarray(Image.fromarray(whole).reduce(8))
    assert abs(small.astype(int) - reduced).max() <= 3


def test_larger_scales_decode_again_and_smaller_ones_do_not() -> None:
    photo = photo_of_noise(800, 640)
    eighth = photo.at(0.1)
    assert photo.at(0.125) is eighth
    assert photo.at(0.02) is eighth
    half = photo.at(0.3)
    assert half.scale_x == 0.5
    assert photo.at(0.1) is half
    assert photo.at(7).scale_x == 1
    assert photo.at(0.1).scale_x == 1


def test_one_decoding_serves_the_size_and_the_scale_that_comes_next() -> None:
    photo = photo_of_noise(800, 640)
    assert photo.within(80, next_scale=0.4).pixels.shape == (64, 80, 3)
    assert photo.at(0.4).scale_x == 0.5


def test_a_small_photo_is_not_enlarged() -> None:
    view = photo_of_noise(80, 60).within(960)
    assert (view.pixels.shape, view.scale_x, view.scale_y) == ((60, 80, 3), 1, 1)


def test_without_a_size_all_pixels_are_given() -> None:
    assert photo_of_noise(80, 60).within(None).pixels.shape == (60, 80, 3)


def test_the_thin_side_keeps_a_pixel() -> None:
    assert photo_of_noise(2000, 2).within(100).pixels.shape == (1, 100, 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_other_formats_are_decoded_whole(kind: str) -> None:
    view = photo_of_noise(80, 60, kind).at(1 / 8)
    assert (view.pixels.shape, view.scale_x, view.scale_y) == ((60, 80, 3), 1, 1)
