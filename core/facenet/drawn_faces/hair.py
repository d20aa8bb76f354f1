"""The hair behind the head and in front of it."""

from __future__ import annotations

import numpy as np

from facenet.drawn_faces.canvas import Easel
from facenet.drawn_faces.geometry import RING, Array, mirrored, path, spline, step
from facenet.drawn_faces.traits import Traits


def draw_back_hair(easel: Easel) -> None:
    """What is seen behind head and neck: long hair, or a bun."""
    t, h = easel.traits, easel.traits.hair
    if h.bun:
        easel.rim(RING * (0.27, 0.22) + (0, -1.15), -0.3, t.hair_colour * 0.8)
    if h.back > 0:
        right = path(0.7, -0.8, 1, -0.3, 1, 0.3 * h.back, 0.99, h.back - 0.1, 0.6, h.back)
        curve = _curled(t, spline(mirrored(right * (t.width + h.side, 1)), closed=True))
        easel.rim(curve, -0.25, t.hair_colour * 0.72)


def draw_front_hair(easel: Easel) -> None:
    """The hair in front: between an outline around the skull and the hairline."""
    t, h, w, e = easel.traits, easel.traits.hair, easel.traits.width, np.linspace(-1, 1, 57)
    rng = np.random.default_rng(t.texture)
    swept = 1 - np.exp(-(((e - t.parting) / 0.3) ** 2)) if h.combed else 1 - t.parting * e / 2
    front = t.hairline + h.fringe * swept + rng.uniform(0, 0.0 if h.combed else 0.03, 57)
    hairline = np.array((0.95 * w * e, front + (h.drop - front) * np.abs(e) ** h.steep)).T
    x, crown = w + h.side, -1 - h.top
    # Short hair ends above the ear, long hair hangs beside it.
    end = (w, h.drop - 0.12) if h.drop < 0.3 else (w + 0.4 * h.side, h.drop)
    right = path(*end, x, 0.45 * end[1] - 0.12, 0.95 * x, -0.5, 0.68 * x, 0.84 * crown)
    top = path(-0.2 * t.parting, crown)
    outline = spline(np.concatenate([right * (-1, 1), top, right[::-1]]), steps=7)
    depth = 0.13 * step(outline[:, 1], -1, -0.2) - 0.05  # meets the head's at the temples
    outer = easel.pose.rim(_curled(t, outline), depth)
    inner = easel.pose.face(hairline, 0.02)
    shadow = easel.pose.face(hairline + path(0, 0.06))
    easel.canvas.fill(np.concatenate([inner, shadow[::-1]]), easel.shade * 0.7, 0.3)
    easel.canvas.extend(np.concatenate([outer, inner[::-1]]), t.hair_colour)
    _strands(easel, outer, inner, rng)


def _strands(easel: Easel, outer: Array, inner: Array, rng: np.random.Generator) -> None:
    """Dark and light streaks between the hair's two edges, each (57, 2)."""
    t, curl = easel.traits, easel.traits.hair.curl
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
        easel.canvas.stroke(line, inks[k % 2][0], 7, inks[k % 2][1])


def _curled(t: Traits, curve: Array) -> Array:
    """Push an outline in and out along its radius, alike in all pictures of a person."""
    phase = np.arange(len(curve)) * 0.7 + t.texture % 7
    wave = np.abs(np.sin(phase)) + 0.5 * np.sin(phase * 0.37)
    stretch: Array = 1 + 0.06 * t.hair.curl * wave[:, None]
    return curve * stretch
