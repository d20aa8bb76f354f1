"""From a face in a photo to the square of pixels that a network sees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image as PillowImage

from facenet.errors import ImageError, RequestError
from facenet.imaging.photo import Photo
from facenet.types import Alignment, Face

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facenet.types import Image, Vector

    Points = NDArray[np.float32] | NDArray[np.float64]

TEMPLATE_SIZE = 112
TEMPLATE = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
"""Where the five landmarks of a face lie in 112 x 112 pixels: the template of SphereFace (96 x 112;
Liu et al., CVPR 2017), widened by 8 pixels to each side as in ArcFace (Deng et al., CVPR 2019) and
InsightFace's `arcface_dst`. Networks that are trained on aligned faces expect it."""
SQUARE_SIDE = 1.3
"""The side of a `square` crop, in multiples of the longer side of the face's box."""


def align(photo: Photo, face: Face, alignment: Alignment, size: int) -> Image:
    """The face as a network sees it, (size, size, 3) uint8 RGB.

    - `none`: the largest centred square inside the face's box;
    - `square`: the square around the box's centre whose side is 1.3 times the longer side of the
      box; black where it reaches beyond the photo;
    - `five-point`: the similarity transform that takes the five landmarks nearest to `TEMPLATE`;
      black beyond the photo.

    A face without landmarks whose box is the whole photo is taken for an aligned one, of which the
    largest centred square is seen. Raises `RequestError` for any other face without landmarks where
    five points are needed, and `ImageError` when the photo's pixels are damaged.
    """
    if alignment == "five-point" and face.landmarks is not None:
        return _five_point(photo, face.landmarks, size)
    left, top, right, bottom = face.box
    width, height = right - left, bottom - top
    whole = is_whole(photo, face)
    if alignment == "five-point" and not whole:
        raise RequestError(
            f"{photo.name}: the alignment is five-point, and the detector gives no landmarks: "
            "use one that does, such as yunet"
        )
    centred = alignment == "none" or whole
    side = min(width, height) if centred else SQUARE_SIDE * max(width, height)
    return _square(photo, ((left + right) / 2, (top + bottom) / 2), side, size)


def is_whole(photo: Photo, face: Face) -> bool:
    """Whether a face has no landmarks and its box is the whole photo: one that was cropped."""
    return face.landmarks is None and face.box == (0, 0, *photo.size)


def centre_square(photo: Photo, size: int) -> Image:
    """The largest centred square of a photo, (size, size, 3) uint8 RGB."""
    width, height = photo.size
    return _square(photo, (width / 2, height / 2), min(width, height), size)


def similarity_transform(points: Points, onto: Points) -> NDArray[np.float64]:
    """(2, 3): the rotation, uniform scale and shift that take (N, 2) points nearest to others.

    Nearest in the sum of squared distances, without reflection: Umeyama, "Least-squares estimation
    of transformation parameters between two point patterns", TPAMI 1991. In the plane, with the
    points as complex numbers z and w about their means, it is z -> (sum conj(z) w / sum |z|^2) z.
    Points that all are one go to the mean of the others, by a scale of 0.
    """
    source, target = (array.astype(float) @ (1, 1j) for array in (points, onto))
    z, w = source - source.mean(), target - target.mean()
    spread = np.vdot(z, z).real
    rounding = np.finfo(float).eps * abs(source.mean()) ** 2
    turn = np.vdot(z, w) / spread if spread > rounding else 0j
    shift = target.mean() - turn * source.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _square(photo: Photo, centre: tuple[float, float], side: float, size: int) -> Image:
    """A square of a photo, resized with Pillow's bilinear filter, antialiased where it shrinks."""
    side = max(side, 1.0)
    pixels, scale_x, scale_y = photo.at(size / side)
    height, width = pixels.shape[:2]
    columns = _visible((centre[0] - side / 2) * scale_x, side / size * scale_x, size, width)
    rows = _visible((centre[1] - side / 2) * scale_y, side / size * scale_y, size, height)
    answer = np.zeros((size, size, 3), np.uint8)
    if not columns or not rows:
        return answer
    x, y = math.floor(columns.start), math.floor(rows.start)
    region = _cut(pixels, x, y, math.ceil(columns.stop), math.ceil(rows.stop))
    resized = PillowImage.fromarray(region).resize(
        (columns.last - columns.first, rows.last - rows.first),
        PillowImage.Resampling.BILINEAR,
        box=(columns.start - x, rows.start - y, columns.stop - x, rows.stop - y),
    )
    answer[rows.first : rows.last, columns.first : columns.last] = np.asarray(resized)
    return answer


class _Visible(NamedTuple):
    """Pixels `first` to `last` of a side of the answer, and where they lie in the photo's."""

    first: int
    last: int
    start: float
    stop: float


def _visible(start: float, step: float, size: int, length: int) -> _Visible | None:
    """Which of `size` pixels, `step` apart from `start`, see a line of pixels; None: none does.

    Those whose filter reaches it do, and one more on each side: there it sees black on its own.
    """
    reach = 1 + math.ceil(1 / min(step, 1))
    first = max(0, math.floor(-start / step) - reach)
    last = min(size, math.ceil((length - start) / step) + reach)
    return (
        _Visible(first, last, start + first * step, start + last * step) if first < last else None
    )


def _five_point(photo: Photo, landmarks: Vector, size: int) -> Image:
    onto = similarity_transform(landmarks, TEMPLATE * (size / TEMPLATE_SIZE))
    scale = math.hypot(onto[0, 0], onto[1, 0])
    if not np.isfinite(onto).all() or scale * max(photo.size) < 1:
        raise ImageError(f"{photo.name}: the five landmarks found in it are no face's")
    pixels, scale_x, scale_y = photo.at(scale)
    # From the pixels of the answer back to those of the photo, as Pillow wants it.
    back = np.linalg.inv(np.vstack([onto, (0, 0, 1)]))[:2] * ((scale_x,), (scale_y,))
    shrinks = max(1.0, scale_x / scale)
    # What the answer sees of the photo, and so much black around as the filters reach.
    corners = back @ [(0, size, 0, size), (0, 0, size, size), (1, 1, 1, 1)]
    reach = math.ceil(2 * shrinks)
    beyond = np.array(pixels.shape[1::-1]) + reach
    left, top = np.clip(np.floor(corners.min(axis=1)) - reach, -reach, beyond).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=1)) + reach, -reach, beyond).astype(int)
    if left >= right or top >= bottom:
        return np.zeros((size, size, 3), np.uint8)
    region = PillowImage.fromarray(_cut(pixels, left, top, right, bottom))
    back[:, 2] -= left, top
    if shrinks > 1:  # which sampling alone would alias
        width, height = (math.ceil(side / shrinks) for side in region.size)
        back *= (width / region.width,), (height / region.height,)
        region = region.resize((width, height), PillowImage.Resampling.BICUBIC)
    aligned = region.transform(
        (size, size),
        PillowImage.Transform.AFFINE,
        tuple(back.ravel()),
        PillowImage.Resampling.BILINEAR,
    )
    return np.array(aligned)


def _cut(pixels: Image, left: int, top: int, right: int, bottom: int) -> Image:
    """A part of an image, black where it reaches beyond it."""
    height, width = pixels.shape[:2]
    inside = pixels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    missing_rows = (max(-top, 0), max(bottom - max(height, top), 0))
    missing_columns = (max(-left, 0), max(right - max(width, left), 0))
    if any((*missing_rows, *missing_columns)):
        inside = np.pad(inside, (missing_rows, missing_columns, (0, 0)))
    return np.ascontiguousarray(inside)
