"""One person in one picture, from back to front."""

from __future__ import annotations

import numpy as np

from facenet.drawn_faces.canvas import Easel, Pose
from facenet.drawn_faces.features import draw_brow, draw_eye, draw_glasses, draw_mouth, draw_nose
from facenet.drawn_faces.geometry import RING, Array, bump, mirrored, path, spline, step
from facenet.drawn_faces.hair import draw_back_hair, draw_front_hair
from facenet.drawn_faces.traits import Traits, Variation


def draw_portrait(t: Traits, v: Variation, pose: Pose, size: int) -> tuple[Array, Array]:
    """The person on black, (size, size, 3), and how much of each pixel is covered."""
    easel = Easel(t, v, pose, size)
    outline, depth = _silhouette(t, v)
    draw_back_hair(easel)
    _draw_body(easel, outline, depth)
    _draw_ears(easel)
    _draw_head(easel, outline, depth)
    _draw_marks(easel)
    draw_mouth(easel)
    draw_nose(easel)
    for side in (-1, 1):
        draw_eye(easel, side)
        draw_brow(easel, side)
    if t.glasses and v.glasses:
        draw_glasses(easel)
    if t.hair.top > 0:
        draw_front_hair(easel)
    return easel.canvas.reduced()


def _silhouette(t: Traits, v: Variation) -> tuple[Array, Array]:
    """The outline of the head (n, 2) and its depth: the chin juts out, the cranium does not."""
    w, jaw, bottom = t.width, t.jaw * t.width, t.chin_y + 0.5 * v.gape
    upper = path(0, -1, 0.5 * w, -0.93, 0.88 * w, -0.64, w, -0.2, 0.97 * w, 0.2)
    middle = 0.5 * (jaw + t.chin)
    lower = path(jaw, 0.56, middle, 0.79, t.chin * 0.62, bottom - 0.04, 0, bottom)
    ring = mirrored(np.concatenate([upper, lower]))
    outline = spline(np.delete(ring, (len(ring) // 2, -1), axis=0), closed=True)
    return outline, 0.08 + 0.30 * step(outline[:, 1], 0.1, 1.0)


def _draw_body(easel: Easel, outline: Array, depth: Array) -> None:
    t, cloth = easel.traits, easel.variation.clothes
    neck = t.width * (0.50 + 0.3 * (t.jaw - 0.7))
    coat = path(0.4, 1.14, 0.8, 1.24, 1.2, 1.42, 1.4, 3)
    easel.rim(spline(mirrored(coat)), -0.2, cloth)
    easel.rim(spline(mirrored(path(0.40, 1.12, 0.47, 1.22, 0.2, 1.46))), -0.2, cloth * 0.8)
    throat = path(neck, 0.3, neck, 0.95, neck * 1.15, 1.16, neck * 0.7, 1.33)
    easel.rim(spline(mirrored(throat)), -0.15, t.skin * (0.92, 0.88, 0.87))
    below = outline[:, 1] > 0.4
    for drop in (0.05, 0.11):  # two shadows of the chin: a cheap soft edge
        shadow = np.clip(outline[below] * (0.92, 1) + (0, drop), (-neck, 0), (neck, 2))
        easel.canvas.fill(easel.pose.rim(shadow, depth[below]), easel.shade * 0.8, 0.28)


def _draw_ears(easel: Easel) -> None:
    t = easel.traits
    for side in (-1, 1):
        centre = (side * t.width * 0.98, 0.10)
        easel.rim(RING * (0.45 * t.ear, t.ear) + centre, -0.1, t.skin * (0.96, 0.88, 0.86))
        hollow = RING * (0.2 * t.ear, 0.6 * t.ear) + centre + (side * 0.025, 0)
        easel.rim(hollow, -0.1, t.skin * (0.83, 0.68, 0.65))


def _draw_head(easel: Easel, outline: Array, depth: Array) -> None:
    """The skin with its soft colouring: blush, eye sockets and beard."""
    t = easel.traits
    if t.beard > 0.5:  # a full beard adds to the silhouette
        below = outline[:, 1] > 0.3
        bulk = 0.08 * t.beard * step(outline[below, 1:], 0.3, 0.75)
        grown = outline[below] * (1 + bulk)
        easel.rim(grown, depth[below], t.hair_colour * 0.9)
    _, _, x, y = easel.pose.grid(easel.canvas.size // 2)
    side = np.abs(x)
    blush = bump(side, y, 0.42, 0.36, 0.24, 0.2) + 0.6 * bump(x, y, 0, t.nose_y, 0.2, 0.12)
    socket = bump(side, y, t.eye_gap, t.eye_y - 0.02, 0.24, 0.15)
    tint = 1 - blush[..., None] * t.flush * (0.02, 0.14, 0.12)
    tint -= socket[..., None] * (0.06, 0.10, 0.08)
    cheek = 0.72 - 0.42 * step(side, 0.15, 0.62)
    density = np.minimum(0.92, 1.2 * t.beard * step(y, cheek, cheek + 0.16))[..., None]
    colours = t.skin * tint * (1 - density) + t.hair_colour * density
    easel.canvas.paste(easel.pose.rim(outline, depth), colours)


def _draw_marks(easel: Easel) -> None:
    rng, t = np.random.default_rng(easel.traits.texture), easel.traits
    for centre in rng.uniform((-0.48, 0.08), (0.48, 0.42), (t.freckles, 2)):
        spot = RING[::3] * rng.uniform(0.010, 0.018) + centre
        easel.face(spot, t.skin * (0.72, 0.52, 0.42), 0.5)
    for centre in rng.uniform((-0.5, 0.15), (0.5, 0.8), (t.moles, 2)):
        easel.face(RING[::2] * rng.uniform(0.016, 0.026) + centre, easel.shade, 0.9)
