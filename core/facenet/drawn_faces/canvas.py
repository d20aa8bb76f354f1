"""From face units to pixels: the pose of the head, and what it is drawn on."""

from __future__ import annotations

from math import cos, sin

import numpy as np
from PIL import Image, ImageDraw

from facenet.drawn_faces.geometry import Array
from facenet.drawn_faces.traits import Traits, Variation

_SUPERSAMPLING = 3
_HEAD = (0.84, 1.14, 0.70)  # half axes of the ellipsoid that carries the features
_DEEP = np.array([0.46, 0.30, 0.28])  # times the skin: lines and folds


class Pose:
    """Takes face units to image fractions, and pixels back to face units."""

    def __init__(self, v: Variation) -> None:
        self.yaw, self.pitch = (cos(v.yaw), sin(v.yaw)), (cos(v.pitch), sin(v.pitch))
        self.turn = np.array([[cos(v.roll), sin(v.roll)], [-sin(v.roll), cos(v.roll)]])
        self.scale, self.centre = v.scale, np.array([v.x, v.y])

    def face(self, points: Array, lift: float = 0.0) -> Array:
        """Points on the skin or ``lift`` above it: foreshortened as the head turns."""
        (a, b, depth), (cy, sy), (cp, sp) = _HEAD, self.yaw, self.pitch
        x, y = points.T
        z = depth * np.sqrt(np.maximum(0.04, 1 - x * x / a**2 - y * y / b**2)) + lift
        return self._place(x * cy + z * sy, y * cp + x * (sy * sp) - z * (cy * sp))

    def rim(self, points: Array, depth: Array | float) -> Array:
        """Points on a silhouette: a round head keeps its width and only shifts by its depth."""
        return self._place(points[:, 0] + depth * self.yaw[1], points[:, 1] - depth * self.pitch[1])

    def _place(self, x: Array, y: Array) -> Array:
        placed: Array = np.array((x, y)).T @ (self.turn * self.scale) + self.centre
        return placed

    def grid(self, size: int) -> tuple[Array, Array, Array, Array]:
        """Each (size, size): the pixels in the picture plane, upright, and on the face."""
        (a, b, depth), (cy, sy), (cp, sp) = _HEAD, self.yaw, self.pitch
        axis = (np.arange(size, dtype=np.float32) + 0.5) / size
        (cr, sr), (x, y) = (self.turn[0] / self.scale).tolist(), self.centre.tolist()
        i, j = axis[None, :] - x, axis[:, None] - y
        p, q = i * cr + j * sr, j * cr - i * sr
        z = depth * np.sqrt(np.maximum(0.0, 1 - (p / a) ** 2 - (q / b) ** 2))
        return p, q, p * cy - (z * cp - q * sp) * sy, q * cp + z * sp


class Canvas:
    """The person, drawn large on black, and the coverage needed to put it on a backdrop."""

    def __init__(self, size: int) -> None:
        self.size, self.px = size, size * _SUPERSAMPLING
        self.image = Image.new("RGB", (self.px, self.px))
        self.cover = Image.new("L", (self.px, self.px))
        self._pen, self._cover_pen = ImageDraw.Draw(self.image, "RGBA"), ImageDraw.Draw(self.cover)

    def fill(self, points: Array, colour: Array, alpha: float = 1.0) -> None:
        self._pen.polygon(self._flat(points), self._ink(colour, alpha))

    def extend(self, points: Array, colour: Array) -> None:
        """Fill an outline that may reach beyond what is drawn so far."""
        self.fill(points, colour)
        self._cover_pen.polygon(self._flat(points), 255)

    def stroke(self, points: Array, colour: Array, width: float, alpha: float = 1.0) -> None:
        """A line ``width`` thousandths of the image wide."""
        thickness = max(1, round(width * self.px / 1000))
        self._pen.line(self._flat(points), self._ink(colour, alpha), thickness)

    def paste(self, points: Array, colours: Array) -> None:
        """Fill an outline with a coarse picture (n, n, 3) of the whole image."""
        mask, flat = Image.new("L", self.image.size), self._flat(points)
        ImageDraw.Draw(mask).polygon(flat, 255)
        small = to_picture(colours).resize((self.size, self.size), Image.Resampling.BILINEAR)
        # The reduction undoes this enlargement exactly, so the cheapest one will do.
        self.image.paste(small.resize(self.image.size, Image.Resampling.NEAREST), mask=mask)
        self._cover_pen.polygon(flat, 255)

    def reduced(self) -> tuple[Array, Array]:
        """Colours (size, size, 3), premultiplied by coverage, and coverage (size, size, 1)."""
        colour, cover = self.image.reduce(_SUPERSAMPLING), self.cover.reduce(_SUPERSAMPLING)
        return to_pixels(colour), to_pixels(cover)[..., None]

    def _flat(self, points: Array) -> list[float]:
        flat: list[float] = (points * self.px).ravel().tolist()
        return flat

    @staticmethod
    def _ink(colour: Array, alpha: float) -> tuple[int, ...]:
        return (*(min(255, int(255 * c)) for c in colour.tolist()), int(255 * alpha))


class Easel:
    """One person in one pose on one canvas; what is drawn here is given in face units."""

    def __init__(self, traits: Traits, variation: Variation, pose: Pose, size: int) -> None:
        self.traits, self.variation, self.pose = traits, variation, pose
        self.canvas = Canvas(size)
        self.shade = traits.skin * _DEEP

    def face(self, points: Array, colour: Array, alpha: float = 1.0, lift: float = 0.0) -> None:
        """Fill an outline on the skin or ``lift`` above it."""
        self.canvas.fill(self.pose.face(points, lift), colour, alpha)

    def line(self, points: Array, width: float, alpha: float, lift: float = 0.0) -> None:
        """A fold or an edge of the skin."""
        self.canvas.stroke(self.pose.face(points, lift), self.shade, width, alpha)

    def rim(self, points: Array, depth: Array | float, colour: Array) -> None:
        """Fill a silhouette."""
        self.canvas.extend(self.pose.rim(points, depth), colour)


def to_pixels(picture: Image.Image) -> Array:
    return np.asarray(picture, np.float32) / 255


def to_picture(colours: Array) -> Image.Image:
    return Image.fromarray((np.clip(colours, 0, 1) * 255 + 0.5).astype(np.uint8))
