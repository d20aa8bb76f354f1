"""Procedurally drawn faces: a data set for trying the framework without a download.

An *identity* is geometry and colouring (``_Traits``); a *sample* is what a photograph changes
(``_Variation``): pose, expression, light, backdrop, clothes, camera.  Glasses are in between: an
identity owns a certain pair or none, and owners wear theirs in about half of their pictures.

Drawing goes traits -> variation -> layers -> light -> camera.  Shapes are laid out in *face units*
(x right, y down, z towards the viewer; crown at y = -1, eyes near 0, chin near 1), turned with the
head, drawn at three times the size and reduced once; the soft shading is computed afterwards from
the relief of the face.  Colours are RGB in [0, 1].  Equal arguments give equal pixels.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from math import cos, pi, sin
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["draw_face", "write_faces"]

Array = NDArray[Any]  # points are float64, pixels float32

_SUPERSAMPLING = 3
_HEAD = (0.84, 1.14, 0.70)  # half axes of the ellipsoid that carries the features
_RING = np.array([(cos(a), sin(a)) for a in np.linspace(0, 2 * pi, 25)])  # the unit circle
_ACROSS = np.linspace(-1, 1, 15)


def _palette(colours: str) -> Array:
    return np.array([list(bytes.fromhex(colour)) for colour in colours.split()]) / 255


_SKIN = _palette("f6d6c0 f2c6a8 e8b48e cb9469 a4714f 7e5540 603f30")  # light to deep
_HAIR = _palette("1f1b1d 382620 573825 7a4f33 7d3422 c2662e cda05c e6c893 828181 cfcdca")
_IRIS = _palette("40261a 6b4222 857032 57794a 4a7eab 788891")  # browns first, then light ones
_WHITE, _BLACK = np.array([0.97, 0.96, 0.94]), np.array([0.09, 0.06, 0.06])
_DEEP = np.array([0.46, 0.30, 0.28])  # times the skin: lines and folds


class _Hair(NamedTuple):
    """One hair style, in face units."""

    top: float  # height above the skull; 0 for a bald head
    side: float  # width beside it
    drop: float  # y where the hair before the ears ends
    back: float = -1.0  # y where the hair behind the head ends
    fringe: float = 0.0  # how far it falls over the forehead
    curl: float = 0.0  # 0 smooth .. 1 curly
    combed: bool = False  # strands follow the outline instead of crossing it
    steep: float = 4.0  # how late the hairline turns down towards the temples
    bun: bool = False


_STYLES = (
    _Hair(0.00, 0.00, 0.00),  # bald
    _Hair(0.05, 0.02, 0.06, steep=7),  # buzz cut
    _Hair(0.14, 0.06, 0.10, fringe=0.16, curl=0.15, steep=6),  # crop
    _Hair(0.18, 0.06, 0.12, fringe=0.13, combed=True, steep=6),  # side parting
    _Hair(0.22, 0.05, 0.10, fringe=-0.04, curl=0.1, steep=7),  # quiff
    _Hair(0.22, 0.15, 0.16, back=0.3, fringe=0.14, curl=1.0, combed=True),  # curls
    _Hair(0.34, 0.32, 0.24, back=0.5, fringe=0.04, curl=1.0, combed=True),  # afro
    _Hair(0.15, 0.15, 0.66, back=0.8, fringe=0.32, steep=14),  # bob
    _Hair(0.14, 0.12, 0.90, back=1.5, fringe=0.04, combed=True, steep=6),  # long
    _Hair(0.18, 0.20, 0.86, back=1.4, fringe=0.10, curl=0.5, combed=True, steep=7),  # wavy
    _Hair(0.08, 0.03, 0.06, fringe=-0.02, steep=5, bun=True),
)


def _within(low: float, high: float) -> Any:
    """A field that is drawn uniformly from [low, high)."""
    return field(metadata={"range": (low, high)})


def _uniform(cls: type[_Traits | _Variation], rng: np.random.Generator) -> dict[str, float]:
    ranges = {f.name: f.metadata["range"] for f in fields(cls) if f.metadata}
    return {name: float(rng.uniform(*span)) for name, span in ranges.items()}


@dataclass(frozen=True)
class _Traits:
    """What an identity keeps in all its pictures; lengths in face units."""

    skin: Array
    hair: _Hair
    hair_colour: Array
    iris: Array
    lip_colour: Array
    frame: Array  # colour of the glasses
    jaw: float  # width of the jaw as a fraction of the face's
    lashes: float
    beard: float  # density on the jaw, [0, 1]
    moustache: float
    freckles: int
    moles: int
    glasses: bool
    texture: int  # seed of strands, curls, freckles and moles
    width: float = _within(0.64, 0.77)
    chin: float = _within(0.24, 0.44)
    chin_y: float = _within(0.90, 1.06)
    flush: float = _within(0.2, 1.0)
    hairline: float = _within(-0.68, -0.50)
    parting: float = _within(-0.4, 0.4)
    ear: float = _within(0.13, 0.21)
    eye: float = _within(0.145, 0.195)  # half width
    eye_ratio: float = _within(0.40, 0.66)
    eye_y: float = _within(-0.03, 0.06)
    eye_gap: float = _within(0.28, 0.35)  # half the distance between the pupils
    eye_tilt: float = _within(-0.10, 0.22)
    brow: float = _within(0.03, 0.08)
    brow_arch: float = _within(0.01, 0.07)
    brow_y: float = _within(-0.28, -0.21)
    brow_tilt: float = _within(-0.04, 0.015)
    nose: float = _within(0.11, 0.19)  # half width
    nose_y: float = _within(0.33, 0.45)
    nose_out: float = _within(0.12, 0.22)
    mouth: float = _within(0.20, 0.30)  # half width
    mouth_y: float = _within(0.60, 0.67)
    lip_upper: float = _within(0.03, 0.065)
    lip_lower: float = _within(0.045, 0.09)
    lens: float = _within(0.21, 0.26)
    lens_power: float = _within(2, 5)  # 2 is round, 5 nearly rectangular


@dataclass(frozen=True)
class _Variation:
    """What one picture changes; angles in radians, shifts as fractions of the image."""

    yaw: float
    pitch: float
    roll: float
    light: Array  # unit vector towards the key light
    key: Array  # RGB intensity of the key light
    fill: Array  # RGB intensity of the ambient light
    smile: float  # -1 frown .. 1 smile
    gape: float  # mouth opening, face units
    glasses: bool
    backdrop: Array  # (3, 3): the two ends of a gradient, and the spots
    clothes: Array
    camera: int  # seed of backdrop and noise
    scale: float = _within(0.305, 0.375)  # of a face unit, as a fraction of the image
    x: float = _within(0.45, 0.55)
    y: float = _within(0.50, 0.58)
    brows: float = _within(-0.025, 0.05)  # how far they are raised, face units
    lids: float = _within(0.62, 1.12)  # openness factor
    gaze_x: float = _within(-0.28, 0.28)
    gaze_y: float = _within(-0.15, 0.15)
    blur: float = _within(0.0, 0.8)  # Gaussian radius, pixels of a 96 px picture
    noise: float = _within(0.006, 0.026)  # standard deviation


def _traits(identity: int, seed: int) -> _Traits:
    rng = np.random.default_rng((seed, 0, identity))
    tone, masculine = rng.uniform(0, len(_SKIN) - 1.001), rng.random() < 0.5
    low = int(tone)
    skin = (
        _SKIN[low]
        + (_SKIN[low + 1] - _SKIN[low]) * (tone - low)
        + rng.normal(0, (0.01, 0.004, 0.01))
    )
    # Deeper skin mostly comes with darker hair and eyes; the palettes are ordered for that.
    shade = rng.integers(len(_HAIR) if tone < 2.5 else 3) if rng.random() < 0.9 else 8
    hair = _STYLES[rng.choice(len(_STYLES), p=[0.05] + [0.095] * 10)]
    hair = hair._replace(
        top=hair.top * rng.uniform(0.8, 1.3), side=hair.side * rng.uniform(0.8, 1.3)
    )
    density = rng.uniform(0.2, 1) if masculine and hair.back < 0.6 and rng.random() < 0.6 else 0.0
    beard = rng.choice([0, 1, 1])
    rouge = 0.0 if masculine else rng.uniform(0, 0.6)
    return _Traits(
        skin=skin,
        hair=hair,
        hair_colour=_HAIR[shade] * rng.uniform(0.85, 1.1),
        iris=_IRIS[rng.integers(len(_IRIS) if tone < 3 else 2)] * rng.uniform(0.85, 1.15),
        lip_colour=skin * (0.86, 0.6, 0.6) * (1 - rouge) + np.array([0.72, 0.25, 0.29]) * rouge,
        frame=rng.uniform(0.05, 0.4, 3),
        jaw=rng.uniform(0.78, 0.92) if masculine else rng.uniform(0.68, 0.84),
        lashes=rng.uniform(0.3, 0.7) if masculine else rng.uniform(0.6, 1.4),
        beard=density * beard,
        moustache=density * (rng.random() < 0.8 or not beard),
        freckles=int(rng.integers(25, 60)) if tone < 3 and rng.random() < 0.35 else 0,
        moles=int(rng.integers(1, 4)) if rng.random() < 0.4 else 0,
        glasses=bool(rng.random() < 0.3),
        texture=int(rng.integers(1 << 31)),
        **_uniform(_Traits, rng),
    )


def _variation(identity: int, sample: int, seed: int) -> _Variation:
    rng = np.random.default_rng((seed, 1, identity, sample))
    yaw, pitch, roll = (float(np.clip(rng.normal(0, s), -2 * s, 2 * s)) for s in (0.27, 0.12, 0.09))
    light = np.array([rng.uniform(-1.2, 1.2), rng.uniform(-1.0, 0.3), 0.8])
    exposure, contrast, warmth = (
        rng.uniform(0.72, 1.04),
        rng.uniform(0.25, 0.75),
        rng.normal(0, 0.06),
    )
    tint = np.array([1 + warmth, 1, 1 - warmth])
    grey, hue = rng.uniform(0.2, 0.85), rng.normal(0, 0.05, 3)
    return _Variation(
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        light=light / np.linalg.norm(light),
        key=exposure * contrast * 1.25 * tint,
        fill=exposure * (1 - contrast * 0.85) / tint,
        smile=float(np.clip(rng.normal(0.4, 0.45), -0.7, 1)),
        gape=max(0.0, rng.uniform(-0.16, 0.12)),
        glasses=bool(rng.random() < 0.55),
        # Related colours: unrelated ones look like a test pattern.
        backdrop=np.clip(grey + hue + rng.uniform(-0.13, 0.13, (3, 1)), 0.05, 0.97),
        clothes=np.clip(rng.uniform(0.15, 0.8) + rng.normal(0, 0.12, 3), 0.03, 0.95),
        camera=int(rng.integers(1 << 31)),
        **_uniform(_Variation, rng),
    )


# --- geometry -----------------------------------------------------------------------------------


def _path(*xy: float) -> Array:
    """Points (n, 2) from x, y, x, y, ..."""
    return np.array(xy).reshape(-1, 2)


def _mirrored(right: Array) -> Array:
    """A right-hand side, top to bottom, continued up the left-hand side."""
    return np.concatenate([right, right[::-1] * (-1, 1)])


def _between(x: Array, a: Array, b: Array) -> Array:
    """The outline (2n, 2) of the area between two curves over ``x``."""
    return np.array((np.concatenate([x, x[::-1]]), np.concatenate([a, b[::-1]]))).T


def _spline(points: Array, closed: bool = False, steps: int = 5) -> Array:
    """A smooth curve through ``points`` (Catmull-Rom), with ``steps`` points for each."""
    ends = (points[-1:], points[:2]) if closed else (points[:1], points[-1:])
    p = np.concatenate([ends[0], points, ends[1]])
    t = np.arange(steps)[:, None, None] / steps
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    flat = curve.transpose(1, 0, 2).reshape(-1, 2)
    return flat if closed else np.concatenate([flat, points[-1:]])


def _bump(x: Array, y: Array, cx: float, cy: float, sx: float, sy: float) -> Array:
    return np.exp(-(((x - cx) / sx) ** 2) - ((y - cy) / sy) ** 2)


def _step(x: Array, low: Array | float, high: Array | float) -> Array:
    """Smoothly from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


class _Pose:
    """Takes face units to image fractions, and pixels back to face units."""

    def __init__(self, v: _Variation) -> None:
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


class _Canvas:
    """The person, drawn large on black, and the coverage needed to put it on a backdrop."""

    def __init__(self, size: int) -> None:
        self.size, self.px = size, size * _SUPERSAMPLING
        self.image = Image.new("RGB", (self.px, self.px))
        self.cover = Image.new("L", (self.px, self.px))
        self._pen, self._cover_pen = ImageDraw.Draw(self.image, "RGBA"), ImageDraw.Draw(self.cover)

    def fill(self, points: Array, colour: Array, alpha: float = 1.0) -> None:
        self._pen.polygon((points * self.px).ravel().tolist(), self._ink(colour, alpha))

    def extend(self, points: Array, colour: Array) -> None:
        """Fill an outline that may reach beyond what is drawn so far."""
        self.fill(points, colour)
        self._cover_pen.polygon((points * self.px).ravel().tolist(), 255)

    def stroke(self, points: Array, colour: Array, width: float, alpha: float = 1.0) -> None:
        """A line ``width`` thousandths of the image wide."""
        flat = (points * self.px).ravel().tolist()
        self._pen.line(flat, self._ink(colour, alpha), max(1, round(width * self.px / 1000)))

    def paste(self, points: Array, colours: Array) -> None:
        """Fill an outline with a coarse picture (n, n, 3) of the whole image."""
        mask, flat = Image.new("L", self.image.size), (points * self.px).ravel().tolist()
        ImageDraw.Draw(mask).polygon(flat, 255)
        small = _picture(colours).resize((self.size, self.size), Image.Resampling.BILINEAR)
        # The reduction undoes this enlargement exactly, so the cheapest one will do.
        self.image.paste(small.resize(self.image.size, Image.Resampling.NEAREST), mask=mask)
        self._cover_pen.polygon(flat, 255)

    def reduced(self) -> tuple[Array, Array]:
        """Colours (size, size, 3), premultiplied by coverage, and coverage (size, size, 1)."""
        colour, cover = self.image.reduce(_SUPERSAMPLING), self.cover.reduce(_SUPERSAMPLING)
        return _pixels(colour), _pixels(cover)[..., None]

    @staticmethod
    def _ink(colour: Array, alpha: float) -> tuple[int, ...]:
        r, g, b = colour.tolist()
        return (
            min(255, int(255 * r)),
            min(255, int(255 * g)),
            min(255, int(255 * b)),
            int(255 * alpha),
        )


def _pixels(picture: Image.Image) -> Array:
    return np.asarray(picture, np.float32) / 255


def _picture(colours: Array) -> Image.Image:
    return Image.fromarray((np.clip(colours, 0, 1) * 255 + 0.5).astype(np.uint8))


# --- layers, back to front ----------------------------------------------------------------------


class _Portrait:
    """One person in one picture: each method draws one part."""

    def __init__(self, t: _Traits, v: _Variation, pose: _Pose, size: int) -> None:
        self.t, self.v, self.pose, self.canvas = t, v, pose, _Canvas(size)
        self.shade = t.skin * _DEEP
        # The head's silhouette (n, 2) and its depth: the chin juts out, the cranium does not.
        w, jaw, bottom = t.width, t.jaw * t.width, t.chin_y + 0.5 * v.gape
        upper = _path(0, -1, 0.5 * w, -0.93, 0.88 * w, -0.64, w, -0.2, 0.97 * w, 0.2)
        middle = 0.5 * (jaw + t.chin)
        lower = _path(jaw, 0.56, middle, 0.79, t.chin * 0.62, bottom - 0.04, 0, bottom)
        ring = _mirrored(np.concatenate([upper, lower]))
        self.outline = _spline(np.delete(ring, (len(ring) // 2, -1), axis=0), closed=True)
        self.depth = 0.08 + 0.30 * _step(self.outline[:, 1], 0.1, 1.0)

    def draw(self) -> tuple[Array, Array]:
        self._back_hair()
        self._body()
        self._ears()
        self._head()
        self._marks()
        self._mouth()
        self._nose()
        for side in (-1, 1):
            self._eye(side)
            self._brow(side)
        if self.t.glasses and self.v.glasses:
            self._glasses()
        if self.t.hair.top > 0:
            self._hair()
        return self.canvas.reduced()

    def _face(self, points: Array, colour: Array, alpha: float = 1.0, lift: float = 0.0) -> None:
        self.canvas.fill(self.pose.face(points, lift), colour, alpha)

    def _line(self, points: Array, width: float, alpha: float, lift: float = 0.0) -> None:
        self.canvas.stroke(self.pose.face(points, lift), self.shade, width, alpha)

    def _rim(self, points: Array, depth: Array | float, colour: Array) -> None:
        self.canvas.extend(self.pose.rim(points, depth), colour)

    def _back_hair(self) -> None:
        h, w = self.t.hair, self.t.width + self.t.hair.side
        if h.bun:
            self._rim(_RING * (0.27, 0.22) + (0, -1.15), -0.3, self.t.hair_colour * 0.8)
        if h.back > 0:
            right = _path(0.7, -0.8, 1, -0.3, 1, 0.3 * h.back, 0.99, h.back - 0.1, 0.6, h.back)
            curve = self._curled(_spline(_mirrored(right * (w, 1)), closed=True))
            self._rim(curve, -0.25, self.t.hair_colour * 0.72)

    def _body(self) -> None:
        t, cloth = self.t, self.v.clothes
        neck = t.width * (0.50 + 0.3 * (t.jaw - 0.7))
        coat = _path(0.4, 1.14, 0.8, 1.24, 1.2, 1.42, 1.4, 3)
        self._rim(_spline(_mirrored(coat)), -0.2, cloth)
        self._rim(_spline(_mirrored(_path(0.40, 1.12, 0.47, 1.22, 0.2, 1.46))), -0.2, cloth * 0.8)
        throat = _path(neck, 0.3, neck, 0.95, neck * 1.15, 1.16, neck * 0.7, 1.33)
        self._rim(_spline(_mirrored(throat)), -0.15, t.skin * (0.92, 0.88, 0.87))
        below = self.outline[:, 1] > 0.4
        for drop in (0.05, 0.11):  # two shadows of the chin: a cheap soft edge
            shadow = np.clip(self.outline[below] * (0.92, 1) + (0, drop), (-neck, 0), (neck, 2))
            self.canvas.fill(self.pose.rim(shadow, self.depth[below]), self.shade * 0.8, 0.28)

    def _ears(self) -> None:
        t = self.t
        for side in (-1, 1):
            centre = (side * t.width * 0.98, 0.10)
            self._rim(_RING * (0.45 * t.ear, t.ear) + centre, -0.1, t.skin * (0.96, 0.88, 0.86))
            hollow = _RING * (0.2 * t.ear, 0.6 * t.ear) + centre + (side * 0.025, 0)
            self._rim(hollow, -0.1, t.skin * (0.83, 0.68, 0.65))

    def _head(self) -> None:
        """The skin with its soft colouring: blush, eye sockets and beard."""
        t = self.t
        if t.beard > 0.5:  # a full beard adds to the silhouette
            below = self.outline[:, 1] > 0.3
            bulk = 0.08 * t.beard * _step(self.outline[below, 1:], 0.3, 0.75)
            grown = self.outline[below] * (1 + bulk)
            self._rim(grown, self.depth[below], t.hair_colour * 0.9)
        _, _, x, y = self.pose.grid(self.canvas.size // 2)
        side = np.abs(x)
        blush = _bump(side, y, 0.42, 0.36, 0.24, 0.2) + 0.6 * _bump(x, y, 0, t.nose_y, 0.2, 0.12)
        socket = _bump(side, y, t.eye_gap, t.eye_y - 0.02, 0.24, 0.15)
        tint = 1 - blush[..., None] * t.flush * (0.02, 0.14, 0.12)
        tint -= socket[..., None] * (0.06, 0.10, 0.08)
        cheek = 0.72 - 0.42 * _step(side, 0.15, 0.62)
        density = np.minimum(0.92, 1.2 * t.beard * _step(y, cheek, cheek + 0.16))[..., None]
        colours = t.skin * tint * (1 - density) + t.hair_colour * density
        self.canvas.paste(self.pose.rim(self.outline, self.depth), colours)

    def _marks(self) -> None:
        rng, t = np.random.default_rng(self.t.texture), self.t
        for centre in rng.uniform((-0.48, 0.08), (0.48, 0.42), (t.freckles, 2)):
            spot = _RING[::3] * rng.uniform(0.010, 0.018) + centre
            self._face(spot, t.skin * (0.72, 0.52, 0.42), 0.5)
        for centre in rng.uniform((-0.5, 0.15), (0.5, 0.8), (t.moles, 2)):
            self._face(_RING[::2] * rng.uniform(0.016, 0.026) + centre, self.shade, 0.9)

    def _nose(self) -> None:
        """Only the lines: the light finds bridge and tip in the relief."""
        w, y, out = self.t.nose, self.t.nose_y, self.t.nose_out
        for side in (-1, 1):
            self._face(
                _RING * (0.28 * w, 0.022) + (side * 0.46 * w, y + 0.065), self.shade, 0.7, out * 0.6
            )
            wing = _path(0.80, -0.05, 1.02, 0.01, 0.98, 0.06, 0.76, 0.08) * (side * w, 1) + (0, y)
            self._line(_spline(wing), 6, 0.5, out * 0.4)
        self._line(
            _spline(_path(-0.24 * w, y + 0.085, 0, y + 0.1, 0.24 * w, y + 0.085)), 6, 0.4, out * 0.7
        )

    def _mouth(self) -> None:
        t, v, arch = self.t, self.v, 1 - _ACROSS**2
        x, y = t.mouth * (1 + 0.16 * v.smile) * _ACROSS, t.mouth_y + 0.1 * v.gape
        line = y + 0.07 * v.smile * (0.5 - _ACROSS**2)  # the corners rise with a smile
        top = line - t.lip_upper * arch**0.7 * (1 - 0.3 * np.exp(-((_ACROSS / 0.18) ** 2)))
        inner = line + v.gape * arch
        bottom, low = inner + t.lip_lower * arch**0.8, t.lip_lower * arch
        teeth = line + np.minimum(v.gape * 0.9, 0.055) * arch
        for a, b, colour, alpha in (
            (bottom - 0.01, bottom + 0.045 * arch, self.shade, 0.22),
            (line, inner, np.array([0.28, 0.08, 0.09]), 1.0),
            (line, teeth, _WHITE * 0.93, 1.0),
            (top, line, t.lip_colour * 0.9, 1.0),
            (inner, bottom, t.lip_colour, 1.0),
            (inner + 0.3 * low, inner + 0.55 * low, _WHITE, 0.16),
        ):
            self._face(_between(x, a, b), colour, alpha, 0.05)
        if t.moustache > 0:  # tapering past the corners, and parted under the nose
            e = _ACROSS * 1.3
            low = np.interp(e, _ACROSS, top) + 0.05 * np.abs(_ACROSS) ** 3
            high = low - (t.lip_upper + 0.05) * arch**0.6 * (1 - 0.25 * np.exp(-((e / 0.2) ** 2)))
            self._face(_between(x * 1.3, high, low + 0.01), t.hair_colour * 0.9, t.moustache, 0.06)
        for edge in (line, inner):
            self._line(np.array((x * 1.03, edge)).T, 5, 0.75, 0.05)
        for side in (-1, 1):
            fold = _path(t.nose + 0.06, t.nose_y + 0.02, x[-1] + 0.06, y - 0.10, x[-1] + 0.09, y)
            self._line(_spline(fold * (side, 1)), 7, 0.35 * max(0.0, v.smile), 0.03)

    def _eye(self, side: int) -> None:
        """One eye; ``side`` is -1 or 1, and local x runs from the nose (-1) to the temple (1)."""
        t, v, half = self.t, self.v, self.t.eye
        arch = (1 - _ACROSS**2) ** 0.75
        upper = -half * t.eye_ratio * v.lids * arch * (1 - 0.12 * _ACROSS)
        lower = half * t.eye_ratio * (0.62 - 0.2 * max(0.0, v.smile)) * arch * (1 + 0.15 * _ACROSS)

        def place(local: Array) -> Array:
            x, y = local.T
            return np.array((side * (t.eye_gap + half * x), t.eye_y + y - t.eye_tilt * half * x)).T

        def area(a: Array, b: Array) -> Array:
            return place(_between(_ACROSS, a, b))

        def disc(radius: float, dx: float = 0.0, dy: float = 0.0) -> Array:
            x, y = (_RING * radius + (side * v.gaze_x + dx, v.gaze_y - 0.05 + dy)).T
            # Clamping to the lids clips the iris without a mask.
            lids = np.interp(x, _ACROSS, upper), np.interp(x, _ACROSS, lower)
            return place(np.array((x, np.clip(y * half, *lids))).T)

        lid = half * (0.16 + 0.10 * t.eye_ratio)
        self._face(area(upper - lid * (1.15 - _ACROSS**2), upper), self.shade, 0.22)
        self._face(area(upper, lower), _WHITE * (0.96, 0.94, 0.93))
        self._face(disc(0.50), t.iris * 0.5)
        self._face(disc(0.43), t.iris)
        self._face(disc(0.28, dy=0.14), t.iris * 1.4, 0.55)
        self._face(disc(0.21), _BLACK * 0.5)
        self._face(area(upper, np.minimum(upper + 0.16 * half, lower)), _BLACK, 0.35)
        self._face(disc(0.10, side * 0.2 * np.sign(v.light[0]), -0.2), _WHITE)
        self._line(place(np.array((_ACROSS, lower)).T), 4, 0.5)
        self._line(place(np.array((_ACROSS, upper - lid * (1.1 - 0.9 * _ACROSS**2))).T), 4, 0.55)
        lash = half * (0.10 + 0.11 * t.lashes * (1 + 0.7 * _ACROSS)) * (1 - _ACROSS**8)
        self._face(area(upper - lash, upper + 0.02), _BLACK)
        if t.lashes > 0.9:
            tip = _path(0.7, upper[-3], 1, 0, 1.22, -0.25 * half, 0.9, upper[-2] - lash[-2])
            self._face(place(tip), _BLACK)

    def _brow(self, side: int) -> None:
        t, e = self.t, _ACROSS
        x = side * (t.eye_gap + 0.02 + (t.eye + 0.06) * e)
        y = t.brow_y - self.v.brows - t.brow_arch * (1 - (e - 0.15) ** 2) - t.brow_tilt * e
        taper = t.brow * np.clip(1.05 - 0.75 * e, 0, 1) * np.clip((e + 1.25) * 2, 0, 1) / 2
        self._face(
            _between(x, y - taper, y + taper), t.hair_colour * 0.7 + t.skin * 0.08, 0.88, 0.03
        )

    def _glasses(self) -> None:
        t, y = self.t, self.t.eye_y + 0.03
        rim = np.sign(_RING) * np.abs(_RING) ** (2 / t.lens_power) * t.lens * (1, 0.82)
        bridge = t.eye_gap - t.lens + 0.01
        for side in (-1, 1):
            lens = self.pose.face(rim + _path(side * (t.eye_gap + 0.01), y), 0.10)
            hinge = self.pose.face(_path(side * (t.eye_gap + t.lens), y - 0.05), 0.10)
            ear = self.pose.rim(_path(side * t.width * 0.99, y), 0.0)
            self.canvas.fill(lens, _WHITE, 0.10)
            self.canvas.stroke(lens, t.frame, 11)
            self.canvas.stroke(np.concatenate([hinge, ear]), t.frame, 10)
        nose = _spline(_path(-bridge, y - 0.04, 0, y - 0.07, bridge, y - 0.04))
        self.canvas.stroke(self.pose.face(nose, 0.14), t.frame, 11)

    def _curled(self, curve: Array) -> Array:
        """Push an outline in and out along its radius, alike in all pictures of a person."""
        phase = np.arange(len(curve)) * 0.7 + self.t.texture % 7
        wave = np.abs(np.sin(phase)) + 0.5 * np.sin(phase * 0.37)
        stretch: Array = 1 + 0.06 * self.t.hair.curl * wave[:, None]
        return curve * stretch

    def _hair(self) -> None:
        """The hair in front: between an outline around the skull and the hairline."""
        t, h, w, e = self.t, self.t.hair, self.t.width, np.linspace(-1, 1, 57)
        rng = np.random.default_rng(t.texture)
        swept = 1 - np.exp(-(((e - t.parting) / 0.3) ** 2)) if h.combed else 1 - t.parting * e / 2
        front = t.hairline + h.fringe * swept + rng.uniform(0, 0.0 if h.combed else 0.03, 57)
        hairline = np.array((0.95 * w * e, front + (h.drop - front) * np.abs(e) ** h.steep)).T
        x, crown = w + h.side, -1 - h.top
        # Short hair ends above the ear, long hair hangs beside it.
        end = (w, h.drop - 0.12) if h.drop < 0.3 else (w + 0.4 * h.side, h.drop)
        right = _path(*end, x, 0.45 * end[1] - 0.12, 0.95 * x, -0.5, 0.68 * x, 0.84 * crown)
        top = _path(-0.2 * t.parting, crown)
        outline = _spline(np.concatenate([right * (-1, 1), top, right[::-1]]), steps=7)
        depth = 0.13 * _step(outline[:, 1], -1, -0.2) - 0.05  # meets the head's at the temples
        outer = self.pose.rim(self._curled(outline), depth)
        inner = self.pose.face(hairline, 0.02)
        shadow = self.pose.face(hairline + _path(0, 0.06))
        self.canvas.fill(np.concatenate([inner, shadow[::-1]]), self.shade * 0.7, 0.3)
        self.canvas.extend(np.concatenate([outer, inner[::-1]]), t.hair_colour)
        self._strands(outer, inner, rng)

    def _strands(self, outer: Array, inner: Array, rng: np.random.Generator) -> None:
        """Dark and light streaks between the hair's two edges, each (57, 2)."""
        t, curl = self.t, self.t.hair.curl
        inks = (t.hair_colour * 0.55, 0.5), (t.hair_colour * 1.3 + 0.08, 0.38)
        for k, (r, reach, low, drift) in enumerate(rng.random((18, 4)).tolist()):
            if t.hair.combed:
                at = np.arange(int(r * 42), min(57, int(r * 42 + 15 + 30 * reach)), 2)
                across = 0.05 + 0.9 * low + (drift - 0.5) * np.arange(len(at)) / 50
                across = np.minimum(np.maximum(across, 0.04), 0.95) + 0.07 * curl * np.sin(at * 0.9)
            else:
                at = np.full(6, int(1 + 55 * r))
                across = low / 2 + (0.6 + 0.37 * reach - low / 2) * np.arange(6) / 5
            line = inner[at] + (outer[at] - inner[at]) * across[:, None]
            if not t.hair.combed:
                line += 0.012 * (0.3 + curl) * np.sin(across * 9 + k)[:, None]
            self.canvas.stroke(line, inks[k % 2][0], 7, inks[k % 2][1])


# --- light and camera ---------------------------------------------------------------------------


def _relief(t: _Traits, v: _Variation, x: Array, y: Array) -> Array:
    """Height of the features above the head, face units, at face coordinates ``x``, ``y``."""
    side, w, tip, out = np.abs(x), t.nose, t.nose_y, t.nose_out
    bridge = np.exp(-((x / (0.62 * w)) ** 2)) * _step(y, -0.3, tip) * _step(y, tip + 0.14, tip)
    return (
        0.75 * out * bridge
        + 0.30 * out * _bump(side, y, 0.6 * w, tip + 0.02, 0.4 * w, 0.06)
        - 0.06 * _bump(side, y, t.eye_gap * 0.92, t.eye_y - 0.04, 0.17, 0.12)
        + 0.05 * _bump(side, y, 0.40, 0.30, 0.22, 0.16) * (1 + max(0.0, v.smile))
        + 0.05 * _bump(x, y, 0, t.mouth_y, 0.28, 0.10)
        + 0.06 * _bump(x, y, 0, t.chin_y - 0.14, 0.22, 0.10)
    )


def _light(person: Array, t: _Traits, v: _Variation, pose: _Pose) -> Array:
    """Shade colours (size, size, 3) by key and ambient light, with a soft sheen."""
    p, q, x, y = pose.grid(len(person))
    # A hyperboloid instead of the ellipsoid: its slope stays finite past the head, on the hair.
    head = -0.62 * np.sqrt(0.18 + (p / 0.80) ** 2 + (q / 1.25) ** 2)
    dy, dx = np.gradient(head + _relief(t, v, x, y), 1 / (len(person) * v.scale))
    steepness = np.sqrt(1 + dx * dx + dy * dy)

    def facing(direction: Array) -> Array:
        x, y, z = direction.tolist()
        cosine: Array = (z - dx * x - dy * y) / steepness
        return cosine

    lambert = np.maximum(0, (facing(v.light) + 0.25) / 1.25)
    halfway = v.light + np.array([0, 0, 1])
    sheen = np.maximum(0, facing(halfway / np.linalg.norm(halfway))) ** 24
    lit = (lambert + 0.12 * sheen)[..., None]
    shading: Array = v.fill.astype(np.float32) + v.key.astype(np.float32) * lit
    return person * shading


def _backdrop(v: _Variation, size: int) -> Array:
    """An out-of-focus room, (size, size, 3): a gradient and a few soft spots."""
    rng, n = np.random.default_rng((v.camera, 0)), 24  # nothing in it is sharper than n pixels
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, n), np.linspace(-0.5, 0.5, n))
    angle = rng.uniform(0, 2 * pi)
    blend = np.clip(0.5 + x * cos(angle) + y * sin(angle), 0, 1)[..., None]
    scene = v.backdrop[0] + (v.backdrop[1] - v.backdrop[0]) * blend
    for cx, cy, r in rng.uniform((-0.5, -0.5, 0.08), (0.5, 0.5, 0.28), (4, 3)):
        spot = 0.45 * _step(np.hypot(x - cx, y - cy), r, r * 0.55)[..., None]
        scene = scene + (v.backdrop[2] - scene) * spot
    room = _picture(scene * (0.35 + 0.65 * (v.fill + 0.8 * v.key)))
    return _pixels(room.resize((size, size), Image.Resampling.BICUBIC))


def _camera(scene: Array, v: _Variation) -> Image.Image:
    """Soft highlights and lens blur, then sensor noise, which the lens cannot blur."""
    glare = np.maximum(scene - 0.8, 0)
    toned = _picture(scene - glare + glare / (1 + 5 * glare))
    blurred = toned.filter(ImageFilter.GaussianBlur(v.blur * len(scene) / 96))
    grain = np.random.default_rng((v.camera, 1)).standard_normal(scene.shape, np.float32)
    grain *= 255 * v.noise
    return Image.fromarray(np.clip(grain + np.asarray(blurred), 0, 255).astype(np.uint8))


# --- the data set -------------------------------------------------------------------------------


def draw_face(identity: int, sample: int, *, seed: int = 0, size: int = 96) -> Image.Image:
    """Draw picture ``sample`` of person ``identity``: an RGB image of ``size`` x ``size`` pixels.

    ``seed`` chooses the population: the same identity under another seed is someone else.  All
    three numbers are non-negative.
    """
    traits, variation = _traits(identity, seed), _variation(identity, sample, seed)
    pose = _Pose(variation)
    person, cover = _Portrait(traits, variation, pose, size).draw()
    lit = _light(person, traits, variation, pose)
    return _camera(lit + _backdrop(variation, size) * (1 - cover), variation)


def write_faces(
    root: Path,
    *,
    identities: int,
    samples: int,
    seed: int = 0,
    size: int = 96,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write ``samples`` pictures of each person to ``root/id-000/000.jpg`` and so on.

    Pictures that exist are kept, and each appears whole or not at all, so calling again finishes
    an interrupted call.  ``progress(done, total)`` follows every picture, kept or drawn.
    """
    total = identities * samples
    for done in range(total):
        identity, sample = divmod(done, samples)
        path = root / f"id-{identity:03d}" / f"{sample:03d}.jpg"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _save_whole(draw_face(identity, sample, seed=seed, size=size), path)
        if progress is not None:
            progress(done + 1, total)


def _save_whole(picture: Image.Image, path: Path) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            picture.save(file, "JPEG", quality=92)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
