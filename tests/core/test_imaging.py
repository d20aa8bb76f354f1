"""Decoding and cropping."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facenet.errors import DataError, ImageError
from facenet.imaging import crop_face, decode, image_files, whole_image_box


def picture(width: int = 40, height: int = 30, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_the_same_pixels_come_from_path_bytes_pillow_and_array(tmp_path: Path) -> None:
    image = picture()
    path = tmp_path / "a.png"
    image.save(path)
    expected = np.asarray(image)
    for source in (path, str(path), encoded(image), image, expected):
        np.testing.assert_array_equal(decode(source), expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_allowed_format_decodes_to_rgb(kind: str, mode: str) -> None:
    pixels = decode(encoded(picture(mode=mode), kind))
    assert pixels.shape == (30, 40, 3)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("mode", ["RGBA", "P", "1", "CMYK", "LA"])
def test_every_colour_mode_decodes_to_rgb(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert decode(encoded(picture(mode=mode), kind)).shape == (30, 40, 3)


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    pixels = decode(encoded(Image.fromarray(ramp)))
    np.testing.assert_allclose(pixels[..., 0].ravel(), np.arange(256), atol=1)


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to view
    pixels = decode(encoded(picture(40, 30), "JPEG", exif=exif))
    assert pixels.shape == (40, 30, 3)


def test_a_large_jpeg_may_come_reduced_but_never_below_what_is_needed() -> None:
    photo = encoded(picture(800, 600), "JPEG")
    reduced = decode(photo, at_least=100)
    assert 100 <= min(reduced.shape[:2]) < 600
    assert decode(photo).shape == (600, 800, 3)


def test_too_many_pixels_are_refused_by_the_header() -> None:
    with pytest.raises(ImageError, match=r"40 x 30 pixels are more than the 100 allowed"):
        decode(encoded(picture()), max_pixels=100)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not an image"),
        (b"hello, I am a text", "not an image"),
        (encoded(picture(), "JPEG")[:400], "cannot be decoded"),
        (encoded(picture(), "PNG")[:-400], "cannot be decoded"),
    ],
    ids=["empty", "text", "truncated JPEG", "truncated PNG"],
)
def test_broken_files_are_named_with_the_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        decode(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none\.jpg: no such file"):
        decode(tmp_path / "none.jpg")


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be decoded"):
        decode(tmp_path)


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_arrays_must_be_rgb_bytes(array: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"must be \(H, W, 3\) uint8 RGB"):
        decode(array)


def test_a_crop_is_the_centred_square_of_the_box() -> None:
    image = np.zeros((60, 100, 3), np.uint8)
    image[:, 20:80] = 255
    # The filter reaches one pixel over the border of the square.
    assert crop_face(image, whole_image_box(image), 32)[:, 1:-1].min() == 255
    assert crop_face(image, (0, 0, 20, 60), 32)[:, 1:-1].max() == 0


def test_a_crop_of_its_own_size_is_not_resampled() -> None:
    image = np.asarray(picture(32, 32))
    np.testing.assert_array_equal(crop_face(image, whole_image_box(image), 32), image)


def test_images_are_listed_by_ending_in_order(tmp_path: Path) -> None:
    for name in ("b/2.PNG", "a/1.jpg", "a/notes.txt", "a/.hidden.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert [str(p.relative_to(tmp_path)) for p in image_files(tmp_path)] == ["a/1.jpg", "b/2.PNG"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        image_files(tmp_path / "nowhere")
