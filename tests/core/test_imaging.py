"""Decoding: sources, formats, colours and limits; which files are images."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image, ImageOps

from facenet.errors import DataError, ImageError
from facenet.imaging import decode, image_files, open_photo
from facenet.types import ImageFormat, ImageLimits

FORMATS = get_args(ImageFormat)


def picture(width: int = 40, height: int = 30, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_the_same_pixels_come_from_path_bytes_pillow_array_and_photo(tmp_path: Path) -> None:
    image = picture()
    path = tmp_path / "a.png"
    image.save(path)
    expected = np.asarray(image)
    for source in (path, str(path), encoded(image), image, expected, open_photo(path)):
        np.testing.assert_array_equal(decode(source), expected)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_format_decodes_to_what_pillow_makes_of_it(kind: str, mode: str) -> None:
    content = encoded(picture(mode=mode), kind)
    expected = Image.open(io.BytesIO(content)).convert("RGB")
    np.testing.assert_array_equal(decode(content), expected)


def test_images_larger_than_a_strip_are_joined_without_a_seam() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (701, 1501, 3), np.uint8)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = encoded(Image.fromarray(pixels), exif=exif)
        expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        np.testing.assert_array_equal(decode(content), expected)


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    for kind in ("PNG", "PPM", "TIFF"):
        pixels = decode(encoded(Image.fromarray(ramp), kind))
        np.testing.assert_array_equal(pixels[..., 0].ravel(), np.arange(256))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_pillow_image_is_turned_as_its_file_is(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    content = encoded(picture(), kind, exif=exif)
    np.testing.assert_array_equal(decode(Image.open(io.BytesIO(content))), decode(content))
    assert decode(content).shape == (40, 30, 3)


def test_a_pillow_image_may_be_used_again() -> None:
    image = Image.open(io.BytesIO(encoded(picture(), "WEBP", lossless=True)))
    np.testing.assert_array_equal(decode(image), decode(image))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (ImageLimits(formats=("JPEG", "WEBP")), "is a GIF, and only JPEG, WEBP are allowed"),
        (ImageLimits(max_pixels=1199), "40 x 30 pixels are more than the 1,199 allowed"),
        (ImageLimits(max_bytes=99), "bytes are more than the 99 allowed"),
    ],
)
def test_what_exceeds_the_limits_is_refused(
    tmp_path: Path, limits: ImageLimits, reason: str
) -> None:
    content = encoded(picture(), "GIF")
    path = tmp_path / "a.gif"
    path.write_bytes(content)
    for source, name in ((path, str(path)), (content, f"image of {len(content)} bytes")):
        with pytest.raises(ImageError, match=reason) as caught:
            open_photo(source, limits)
        assert str(caught.value).startswith(f"{name}: ")


def test_what_just_keeps_to_the_limits_is_decoded() -> None:
    content = encoded(picture(), "GIF")
    limits = ImageLimits(("GIF",), max_pixels=1200, max_bytes=len(content))
    assert decode(content, limits).shape == (30, 40, 3)


def test_pillow_images_are_held_to_the_pixels_allowed() -> None:
    with pytest.raises(ImageError, match="pixels are more than the 100 allowed"):
        decode(picture(), ImageLimits(max_pixels=100))


def test_limits_may_be_raised_beyond_those_of_pillow() -> None:
    large = encoded(Image.new("1", (10_000, 10_000)), "PNG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_photo(large, ImageLimits(max_pixels=100_000_000)).size == (10_000, 10_000)


def test_a_given_name_is_how_messages_call_an_image() -> None:
    with pytest.raises(ImageError, match=r"^the upload: is empty$"):
        open_photo(b"", name="the upload")


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
    ids=["grey", "floats", "empty"],
)
def test_arrays_must_be_rgb_bytes(array: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"must be \(H, W, 3\) uint8 RGB"):
        decode(array)


def test_images_are_listed_by_ending_in_order(tmp_path: Path) -> None:
    for name in ("b/2.PNG", "a/1.jpg", "a/notes.txt", "a/.hidden.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert [str(p.relative_to(tmp_path)) for p in image_files(tmp_path)] == ["a/1.jpg", "b/2.PNG"]


def test_a_folder_is_no_image_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "album.jpg").mkdir()
    (tmp_path / "album.jpg/1.jpg").touch()
    assert image_files(tmp_path) == [tmp_path / "album.jpg/1.jpg"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        image_files(tmp_path / "nowhere")
