"""From a face to the square that a network sees: where it lies, and how it is sampled."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from facenet.drawn_faces import draw_face
from facenet.errors import ImageError, RequestError
from facenet.imaging import Photo, align, centre_square, open_photo, similarity_transform
from facenet.imaging.alignment import SQUARE_SIDE, TEMPLATE
from facenet.types import Face

ANGLES, SCALES = st.floats(-math.pi, math.pi), st.floats(0.3, 8)
POINTS = arrays(float, (5, 2), elements=st.floats(-1000, 1000))


def moved(points: np.ndarray, angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    turn = scale * np.array(
        [(math.cos(angle), -math.sin(angle)), (math.sin(angle), math.cos(angle))]
    )
    return points @ turn.T + shift


def pattern(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A smooth picture on the template's plane, (..., 3) uint8, unlike itself turned or shifted."""
    waves = [np.sin(x / 9 + 1) * np.cos(y / 13), np.cos((x + 2 * y) / 25), np.sin(y / 7 - x / 31)]
    return np.stack([(127 + 90 * wave).round() for wave in waves], axis=-1).astype(np.uint8)


def photographed(angle: float, scale: float) -> tuple[Photo, Face]:
    """The pattern, turned and enlarged, in the middle of a photo; its face's landmarks."""
    side = math.ceil(scale * 220)
    middle = (side / 2, side / 2)
    landmarks = moved(TEMPLATE - 56, angle, scale, middle)
    rows, columns = np.mgrid[:side, :side] + 0.5
    places = moved(np.dstack([columns, rows]) - middle, -angle, 1 / scale, (56, 56))
    photo = open_photo(pattern(places[..., 0], places[..., 1]))
    return photo, Face((0, 0, side, side), 1, landmarks.astype(np.float32))


def differences(found: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """How far one image is shifted from the other, in pixels, and the mean difference that stays.

    The shift is that of optical flow (Lucas and Kanade) over the whole image.
    """
    found, expected = found.astype(float), expected.astype(float)
    down, right = np.gradient(expected, axis=(0, 1))
    slopes = np.stack([right.ravel(), down.ravel()], axis=1)
    shift, *_ = np.linalg.lstsq(slopes, (found - expected).ravel(), rcond=None)
    return float(np.hypot(*shift)), float(abs(found - expected).mean())


@settings(deadline=None, max_examples=40)
@given(angle=ANGLES, scale=SCALES, size=st.sampled_from([32, 96, 112, 160]))
def test_a_face_is_seen_the_same_however_it_was_photographed(
    angle: float, scale: float, size: int
) -> None:
    rows, columns = np.mgrid[:size, :size] + 0.5
    expected = pattern(columns * 112 / size, rows * 112 / size)
    shift, difference = differences(
        align(*photographed(angle, scale), "five-point", size), expected
    )
    assert shift < 0.1
    assert difference < 3


@pytest.mark.parametrize(("angle", "scale"), [(0.5, 1), (-2, 0.5), (3, 2.7)])
def test_a_drawn_face_is_seen_the_same_once_it_is_turned(angle: float, scale: float) -> None:
    drawing = draw_face(1, 1, size=400)
    landmarks = moved(TEMPLATE - 56, 0, 2.5, (200, 200))
    plain = Face((0, 0, 400, 400), 1, landmarks.astype(np.float32))
    # The drawing turned about its middle, on a canvas that holds it at any angle.
    side = math.ceil(600 * scale)
    turned = moved(landmarks - 200, angle, scale, (side / 2, side / 2)).astype(np.float32)
    back = moved(np.array([(1, 0), (0, 1), (-side / 2, -side / 2)]), -angle, 1 / scale, (0, 0))
    matrix = [*back[:2, 0], back[2, 0] + 200, *back[:2, 1], back[2, 1] + 200]
    image = drawing.transform(
        (side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
    )
    for size in (112, 160):
        expected = align(open_photo(drawing), plain, "five-point", size)
        found = align(open_photo(image), Face((0, 0, side, side), 1, turned), "five-point", size)
        shift, difference = differences(found, expected)
        assert shift < 0.25
        assert difference < 6


@settings(deadline=None)
@given(angle=ANGLES, scale=st.floats(0.01, 100), points=POINTS)
def test_an_exact_similarity_is_found(angle: float, scale: float, points: np.ndarray) -> None:
    if np.ptp(points, axis=0).max() < 1:
        return
    onto = similarity_transform(points, moved(points, angle, scale, (3, -40)))
    expected = moved(np.eye(2), angle, scale, (0, 0)).T
    np.testing.assert_allclose(onto, np.column_stack([expected, (3, -40)]), atol=1e-6 * scale)


@settings(deadline=None)
@given(points=POINTS, onto=POINTS)
def test_the_nearest_similarity_is_that_of_umeyama(points: np.ndarray, onto: np.ndarray) -> None:
    if np.ptp(points, axis=0).max() < 1:
        return
    found = similarity_transform(points, onto)
    assert found[0, 0] * found[1, 1] - found[0, 1] * found[1, 0] >= 0  # no reflection
    expected = umeyama(points, onto)
    # Where several are equally near, the distances are equal, and the transforms need not be.
    residues = [
        ((points @ each[:, :2].T + each[:, 2] - onto) ** 2).sum() for each in (found, expected)
    ]
    assert residues[0] == pytest.approx(residues[1], rel=1e-6, abs=1e-6)


def umeyama(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """By singular values, as the paper has it (equations 40 to 43)."""
    source, target = points - points.mean(axis=0), onto - onto.mean(axis=0)
    u, d, vt = np.linalg.svd(target.T @ source / len(points))
    signs = np.array([1, -1 if np.linalg.det(u) * np.linalg.det(vt) < 0 else 1])
    turn = u @ np.diag(signs) @ vt * (d * signs).sum() / source.var(axis=0).sum()
    return np.column_stack([turn, onto.mean(axis=0) - turn @ points.mean(axis=0)])


@given(point=st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)))
def test_points_that_are_one_give_finite_numbers(point: tuple[float, float]) -> None:
    onto = similarity_transform(np.array([point] * 5), TEMPLATE)
    np.testing.assert_allclose(onto, np.column_stack([np.zeros((2, 2)), TEMPLATE.mean(axis=0)]))


@pytest.mark.parametrize("size", [64, 112, 224])
def test_landmarks_land_on_the_template(size: int) -> None:
    landmarks = moved(TEMPLATE, 0.4, 3, (150, 60))
    rows, columns = np.mgrid[:600, :600] + 0.5
    for landmark, place in zip(landmarks, TEMPLATE * size / 112, strict=True):
        distance = np.hypot(columns - landmark[0], rows - landmark[1])
        pixels = (255 * np.exp(-((distance / 9) ** 2))).astype(np.uint8)
        photo = open_photo(np.dstack([pixels] * 3))
        face = Face((0, 0, 600, 600), 1, landmarks.astype(np.float32))
        mark = align(photo, face, "five-point", size)[..., 0].astype(float)
        y, x = np.mgrid[:size, :size] + 0.5
        middle = (x * mark).sum() / mark.sum(), (y * mark).sum() / mark.sum()
        np.testing.assert_allclose(middle, place, atol=0.15)


def photo_of(width: int = 90, height: int = 70) -> Photo:
    rows, columns = np.mgrid[:height, :width]
    return open_photo(np.maximum(pattern(columns, rows), 1))


def square_of(photo: Photo, centre: tuple[float, float], side: float, size: int) -> np.ndarray:
    """The photo laid on a large black sheet, of which the square is cut and resized."""
    margin = 400
    sheet = Image.fromarray(
        np.pad(photo.at(1).pixels, ((margin, margin), (margin, margin), (0, 0)))
    )
    x, y = centre[0] + margin - side / 2, centre[1] + margin - side / 2
    left, top = math.floor(x), math.floor(y)
    part = sheet.crop((left, top, math.ceil(x + side), math.ceil(y + side)))
    box = (x - left, y - top, x - left + side, y - top + side)
    return np.asarray(part.resize((size, size), Image.Resampling.BILINEAR, box=box))


@settings(deadline=None)
@given(
    middle=st.tuples(st.floats(-100, 190), st.floats(-100, 170)),
    sides=st.tuples(st.floats(1, 140), st.floats(1, 140)),
    size=st.sampled_from([20, 64, 112]),
)
def test_a_square_is_black_beyond_the_photo_and_keeps_the_centre(
    middle: tuple[float, float], sides: tuple[float, float], size: int
) -> None:
    (x, y), (width, height) = middle, sides
    face = Face((x - width / 2, y - height / 2, x + width / 2, y + height / 2), 1)
    for alignment, side in (("square", SQUARE_SIDE * max(sides)), ("none", min(sides))):
        found = align(photo_of(), face, alignment, size).astype(int)
        assert abs(found - square_of(photo_of(), middle, side, size)).max() <= 4


def test_none_is_the_centred_square_of_the_box_as_it_is() -> None:
    photo = photo_of()
    found = align(photo, Face((10, 20, 74, 52), 1), "none", 32)
    np.testing.assert_array_equal(found, photo.at(1).pixels[20:52, 26:58])


@pytest.mark.parametrize("alignment", ["none", "square", "five-point"])
def test_of_a_face_that_is_the_whole_photo_the_centred_square_is_seen(alignment: str) -> None:
    photo = photo_of()
    found = align(photo, Face((0, 0, 90, 70), 1), alignment, 50)
    np.testing.assert_array_equal(found, centre_square(photo, 50))
    np.testing.assert_array_equal(found, square_of(photo, (45, 35), 70, 50))


def test_five_points_are_asked_for_where_the_detector_gives_none() -> None:
    with pytest.raises(
        RequestError, match=r"^image: .*five-point, and the detector gives no landm"
    ):
        align(photo_of(), Face((0, 0, 90, 69), 1), "five-point", 112)


@pytest.mark.parametrize("shift", [(-30, 0), (40, 50), (500, 500), (1e9, -1e9)])
def test_landmarks_beyond_the_photo_are_seen_as_black(shift: tuple[float, float]) -> None:
    landmarks = (moved(TEMPLATE, 0.2, 0.7, (0, 0)) + shift).astype(np.float32)
    found = align(photo_of(), Face((0, 0, 9, 9), 1, landmarks), "five-point", 112)
    # The same on a sheet that holds all of the photo and what the face needs around.
    inside = max(map(abs, shift)) < 400
    if not inside:
        assert found.max() == 0
        return
    sheet = open_photo(np.pad(photo_of().at(1).pixels, ((400, 400), (400, 400), (0, 0))))
    expected = align(sheet, Face((0, 0, 9, 9), 1, landmarks + 400), "five-point", 112)
    assert abs(found.astype(int) - expected).max() <= 2


@pytest.mark.parametrize(
    "landmarks",
    [np.full((5, 2), 33.3), np.full((5, 2), np.nan), TEMPLATE * 1e6, TEMPLATE * (1, 1e30)],
    ids=["one point", "no numbers", "huge", "endless"],
)
def test_landmarks_that_are_no_faces_are_refused(landmarks: np.ndarray) -> None:
    face = Face((0, 0, 90, 70), 1, landmarks.astype(np.float32))
    with pytest.raises(ImageError, match=r"^image: the five landmarks"):
        align(photo_of(), face, "five-point", 112)


@pytest.mark.parametrize("alignment", ["none", "square"])
def test_a_box_of_no_size_is_seen_as_the_pixel_that_it_is(alignment: str) -> None:
    pixels = np.zeros((70, 90, 3), np.uint8)
    pixels[10:20, 30:40] = 200
    face = Face((35, 15, 35, 15), 1)
    assert (align(open_photo(pixels), face, alignment, 8) == 200).all()


@pytest.mark.parametrize("shrinks", [1.3, 1.9, 2.5, 3.9, 8.3])
@pytest.mark.parametrize("alignment", ["none", "square", "five-point"])
def test_a_fine_pattern_becomes_grey_where_a_face_shrinks(alignment: str, shrinks: float) -> None:
    side = math.ceil(112 * shrinks)
    rows, columns = np.mgrid[:side, :side]
    board = (255 * ((rows + columns) % 2)).astype(np.uint8)
    photo = open_photo(np.dstack([board] * 3))
    landmarks = (TEMPLATE * shrinks).astype(np.float32) if alignment == "five-point" else None
    part = 1 / SQUARE_SIDE if alignment == "square" else 1
    low, high = side * (1 - part) / 2, side * (1 + part) / 2
    found = align(photo, Face((low, low, high, high), 1, landmarks), alignment, 112)
    reference = Image.fromarray(board).resize((112, 112), Image.Resampling.BICUBIC)
    inner = slice(4, -4)
    assert found[inner, inner].std() <= np.asarray(reference)[inner, inner].std() + 3
    assert found[inner, inner].mean() == pytest.approx(127.5, abs=2)


@pytest.mark.parametrize("alignment", ["none", "square", "five-point"])
@pytest.mark.parametrize("shrinks", [1.7, 4.4, 9.1])
def test_a_large_jpeg_that_is_decoded_small_gives_the_same_face(
    alignment: str, shrinks: float
) -> None:
    photo, face = photographed(0.3, shrinks)
    encoded = io.BytesIO()
    Image.fromarray(photo.at(1).pixels).save(encoded, "JPEG", quality=95)
    if alignment != "five-point":
        low, high = photo.size[0] * 0.2, photo.size[0] * 0.8
        face = Face((low, low, high, high), 1)
    jpeg = open_photo(encoded.getvalue())
    found, expected = (align(each, face, alignment, 112) for each in (jpeg, photo))
    assert jpeg.at(0).scale_x < 1 or shrinks < 2
    shift, difference = differences(found, expected)
    assert shift < 0.1
    assert difference < 2


def test_aligning_leaves_the_photo_as_it_is() -> None:
    photo = photo_of()
    before = photo.at(1).pixels.copy()
    for alignment in ("none", "square"):
        align(photo, Face((10, 10, 42, 42), 1), alignment, 32)[:] = 0
    np.testing.assert_array_equal(photo.at(1).pixels, before)
