"""Light, backdrop and camera."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageFilter

from facenet.drawn_faces.canvas import Pose, to_picture, to_pixels
from facenet.drawn_faces.geometry import Array, bump, step
from facenet.drawn_faces.traits import Traits, Variation


def photograph(person: Array, cover: Array, t: Traits, v: Variation, pose: Pose) -> Image.Image:
    """Light the person, put the room behind, and press the button."""
    scene = _lit(person, t, v, pose) + _backdrop(v, len(person)) * (1 - cover)
    return _exposed(scene, v)


def _lit(person: Array, t: Traits, v: Variation, pose: Pose) -> Array:
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


def _relief(t: Traits, v: Variation, x: Array, y: Array) -> Array:
    """Height of the features above the head, face units, at face coordinates ``x``, ``y``."""
    side, w, tip, out = np.abs(x), t.nose, t.nose_y, t.nose_out
    bridge = np.exp(-((x / (0.62 * w)) ** 2)) * step(y, -0.3, tip) * step(y, tip + 0.14, tip)
    return (
        0.75 * out * bridge
        + 0.30 * out * bump(side, y, 0.6 * w, tip + 0.02, 0.4 * w, 0.06)
        - 0.06 * bump(side, y, t.eye_gap * 0.92, t.eye_y - 0.04, 0.17, 0.12)
        + 0.05 * bump(side, y, 0.40, 0.30, 0.22, 0.16) * (1 + max(0.0, v.smile))
        + 0.05 * bump(x, y, 0, t.mouth_y, 0.28, 0.10)
        + 0.06 * bump(x, y, 0, t.chin_y - 0.14, 0.22, 0.10)
    )


def _backdrop(v: Variation, size: int) -> Array:
    """An out-of-focus room, (size, size, 3): a gradient and a few soft spots."""
    rng, n = np.random.default_rng((v.camera, 0)), 24  # nothing in it is sharper than n pixels
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, n), np.linspace(-0.5, 0.5, n))
    angle = rng.uniform(0, 2 * pi)
    blend = np.clip(0.5 + x * cos(angle) + y * sin(angle), 0, 1)[..., None]
    scene = v.backdrop[0] + (v.backdrop[1] - v.backdrop[0]) * blend
    for cx, cy, r in rng.uniform((-0.5, -0.5, 0.08), (0.5, 0.5, 0.28), (4, 3)):
        spot = 0.45 * step(np.hypot(x - cx, y - cy), r, r * 0.55)[..., None]
        scene = scene + (v.backdrop[2] - scene) * spot
    room = to_picture(scene * (0.35 + 0.65 * (v.fill + 0.8 * v.key)))
    return to_pixels(room.resize((size, size), Image.Resampling.BICUBIC))


def _exposed(scene: Array, v: Variation) -> Image.Image:
    """Soft highlights and lens blur, then sensor noise, which the lens cannot blur."""
    glare = np.maximum(scene - 0.8, 0)
    toned = to_picture(scene - glare + glare / (1 + 5 * glare))
    blurred = toned.filter(ImageFilter.GaussianBlur(v.blur * len(scene) / 96))
    grain = np.random.default_rng((v.camera, 1)).standard_normal(scene.shape, np.float32)
    grain *= 255 * v.noise
    return Image.fromarray(np.clip(grain + np.asarray(blurred), 0, 255).astype(np.uint8))
