"""From a face in a photo to the square of pixels that a network sees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as PillowImage

from facenet.errors import RequestError
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
    """
    source, target = (array.astype(float) @ (1, 1j) for array in (points, onto))
    z, w = source - source.mean(), target - target.mean()
    turn = np.vdot(z, w) / max(np.vdot(z, z).real, np.finfo(float).tiny)
    shift = target.mean() - turn * source.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _square(photo: Photo, centre: tuple[float, float], side: float, size: int) -> Image:
    """A square of a photo, resized with Pillow's bilinear filter, antialiased where it shrinks."""
    pixels, scale_x, scale_y = photo.at(size / side)
    left, right = ((centre[0] + half) * scale_x for half in (-side / 2, side / 2))
    top, bottom = ((centre[1] + half) * scale_y for half in (-side / 2, side / 2))
    x, y = math.floor(left), math.floor(top)
    region = _cut(pixels, x, y, math.ceil(right), math.ceil(bottom))
    resized = PillowImage.fromarray(region).resize(
        (size, size),
        PillowImage.Resampling.BILINEAR,
        box=(left - x, top - y, right - x, bottom - y),
    )
    return np.asarray(resized)


def _five_point(photo: Photo, landmarks: Vector, size: int) -> Image:
    onto = similarity_transform(landmarks, TEMPLATE * (size / TEMPLATE_SIZE))
    scale = math.hypot(onto[0, 0], onto[1, 0])
    pixels, scale_x, scale_y = photo.at(scale)
    # From the pixels of the answer back to those of the photo, as Pillow wants it.
    back = np.linalg.inv(np.vstack([onto, (0, 0, 1)]))[:2] * ((scale_x,), (scale_y,))
    corners = back @ [(0, size, 0, size), (0, 0, size, size), (1, 1, 1, 1)]
    x, y = (math.floor(low) - 1 for low in corners.min(axis=1))
    right, bottom = (math.ceil(high) + 1 for high in corners.max(axis=1))
    region = PillowImage.fromarray(_cut(pixels, x, y, right, bottom))
    back[:, 2] -= x, y
    # Sampling alone would alias where a large face shrinks: whole blocks are averaged first.
    if (block := int(scale_x / scale)) > 1:
        region = region.reduce(block)
        back /= block
    aligned = region.transform(
        (size, size),
        PillowImage.Transform.AFFINE,
        tuple(back.ravel()),
        PillowImage.Resampling.BILINEAR,
    )
    return np.asarray(aligned)


def _cut(pixels: Image, left: int, top: int, right: int, bottom: int) -> Image:
    """A part of an image, black where it reaches beyond it."""
    height, width = pixels.shape[:2]
    inside = pixels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    missing_rows = (max(-top, 0), max(bottom - max(height, top), 0))
    missing_columns = (max(-left, 0), max(right - max(width, left), 0))
    if any((*missing_rows, *missing_columns)):
        inside = np.pad(inside, (missing_rows, missing_columns, (0, 0)))
    return np.ascontiguousarray(inside)
