"""Nose, mouth, eyes, brows and glasses."""

from __future__ import annotations

import numpy as np

from facenet.drawn_faces.canvas import Easel
from facenet.drawn_faces.geometry import RING, Array, between, path, spline

_WHITE, _BLACK = np.array([0.97, 0.96, 0.94]), np.array([0.09, 0.06, 0.06])
_ACROSS = np.linspace(-1, 1, 15)


def draw_nose(easel: Easel) -> None:
    """Only the lines: the light finds bridge and tip in the relief."""
    w, y, out = easel.traits.nose, easel.traits.nose_y, easel.traits.nose_out
    for side in (-1, 1):
        nostril = RING * (0.28 * w, 0.022) + (side * 0.46 * w, y + 0.065)
        easel.face(nostril, easel.shade, 0.7, out * 0.6)
        wing = path(0.80, -0.05, 1.02, 0.01, 0.98, 0.06, 0.76, 0.08) * (side * w, 1) + (0, y)
        easel.line(spline(wing), 6, 0.5, out * 0.4)
    base = path(-0.24 * w, y + 0.085, 0, y + 0.1, 0.24 * w, y + 0.085)
    easel.line(spline(base), 6, 0.4, out * 0.7)


def draw_mouth(easel: Easel) -> None:
    t, v, arch = easel.traits, easel.variation, 1 - _ACROSS**2
    x, y = t.mouth * (1 + 0.16 * v.smile) * _ACROSS, t.mouth_y + 0.1 * v.gape
    line = y + 0.07 * v.smile * (0.5 - _ACROSS**2)  # the corners rise with a smile
    top = line - t.lip_upper * arch**0.7 * (1 - 0.3 * np.exp(-((_ACROSS / 0.18) ** 2)))
    inner = line + v.gape * arch
    bottom, low = inner + t.lip_lower * arch**0.8, t.lip_lower * arch
    teeth = line + np.minimum(v.gape * 0.9, 0.055) * arch
    for a, b, colour, alpha in (
        (bottom - 0.01, bottom + 0.045 * arch, easel.shade, 0.22),
        (line, inner, np.array([0.28, 0.08, 0.09]), 1.0),
        (line, teeth, _WHITE * 0.93, 1.0),
        (top, line, t.lip_colour * 0.9, 1.0),
        (inner, bottom, t.lip_colour, 1.0),
        (inner + 0.3 * low, inner + 0.55 * low, _WHITE, 0.16),
    ):
        easel.face(between(x, a, b), colour, alpha, 0.05)
    if t.moustache > 0:  # tapering past the corners, and parted under the nose
        e = _ACROSS * 1.3
        low = np.interp(e, _ACROSS, top) + 0.05 * np.abs(_ACROSS) ** 3
        high = low - (t.lip_upper + 0.05) * arch**0.6 * (1 - 0.25 * np.exp(-((e / 0.2) ** 2)))
        easel.face(between(x * 1.3, high, low + 0.01), t.hair_colour * 0.9, t.moustache, 0.06)
    for edge in (line, inner):
        easel.line(np.array((x * 1.03, edge)).T, 5, 0.75, 0.05)
    for side in (-1, 1):
        fold = path(t.nose + 0.06, t.nose_y + 0.02, x[-1] + 0.06, y - 0.10, x[-1] + 0.09, y)
        easel.line(spline(fold * (side, 1)), 7, 0.35 * max(0.0, v.smile), 0.03)


def draw_eye(easel: Easel, side: int) -> None:
    """One eye; ``side`` is -1 or 1, and local x runs from the nose (-1) to the temple (1)."""
    t, v, half = easel.traits, easel.variation, easel.traits.eye
    arch = (1 - _ACROSS**2) ** 0.75
    upper = -half * t.eye_ratio * v.lids * arch * (1 - 0.12 * _ACROSS)
    lower = half * t.eye_ratio * (0.62 - 0.2 * max(0.0, v.smile)) * arch * (1 + 0.15 * _ACROSS)

    def place(local: Array) -> Array:
        x, y = local.T
        return np.array((side * (t.eye_gap + half * x), t.eye_y + y - t.eye_tilt * half * x)).T

    def area(a: Array, b: Array) -> Array:
        return place(between(_ACROSS, a, b))

    def disc(radius: float, dx: float = 0.0, dy: float = 0.0) -> Array:
        x, y = (RING * radius + (side * v.gaze_x + dx, v.gaze_y - 0.05 + dy)).T
        # Clamping to the lids clips the iris without a mask.
        lids = np.interp(x, _ACROSS, upper), np.interp(x, _ACROSS, lower)
        return place(np.array((x, np.clip(y * half, *lids))).T)

    lid = half * (0.16 + 0.10 * t.eye_ratio)
    easel.face(area(upper - lid * (1.15 - _ACROSS**2), upper), easel.shade, 0.22)
    easel.face(area(upper, lower), _WHITE * (0.96, 0.94, 0.93))
    easel.face(disc(0.50), t.iris * 0.5)
    easel.face(disc(0.43), t.iris)
    easel.face(disc(0.28, dy=0.14), t.iris * 1.4, 0.55)
    easel.face(disc(0.21), _BLACK * 0.5)
    easel.face(area(upper, np.minimum(upper + 0.16 * half, lower)), _BLACK, 0.35)
    easel.face(disc(0.10, side * 0.2 * np.sign(v.light[0]), -0.2), _WHITE)
    easel.line(place(np.array((_ACROSS, lower)).T), 4, 0.5)
    easel.line(place(np.array((_ACROSS, upper - lid * (1.1 - 0.9 * _ACROSS**2))).T), 4, 0.55)
    lash = half * (0.10 + 0.11 * t.lashes * (1 + 0.7 * _ACROSS)) * (1 - _ACROSS**8)
    easel.face(area(upper - lash, upper + 0.02), _BLACK)
    if t.lashes > 0.9:
        tip = path(0.7, upper[-3], 1, 0, 1.22, -0.25 * half, 0.9, upper[-2] - lash[-2])
        easel.face(place(tip), _BLACK)


def draw_brow(easel: Easel, side: int) -> None:
    t, e = easel.traits, _ACROSS
    x = side * (t.eye_gap + 0.02 + (t.eye + 0.06) * e)
    y = t.brow_y - easel.variation.brows - t.brow_arch * (1 - (e - 0.15) ** 2) - t.brow_tilt * e
    taper = t.brow * np.clip(1.05 - 0.75 * e, 0, 1) * np.clip((e + 1.25) * 2, 0, 1) / 2
    easel.face(between(x, y - taper, y + taper), t.hair_colour * 0.7 + t.skin * 0.08, 0.88, 0.03)


def draw_glasses(easel: Easel) -> None:
    t, y = easel.traits, easel.traits.eye_y + 0.03
    rim = np.sign(RING) * np.abs(RING) ** (2 / t.lens_power) * t.lens * (1, 0.82)
    bridge = t.eye_gap - t.lens + 0.01
    for side in (-1, 1):
        lens = easel.pose.face(rim + path(side * (t.eye_gap + 0.01), y), 0.10)
        hinge = easel.pose.face(path(side * (t.eye_gap + t.lens), y - 0.05), 0.10)
        ear = easel.pose.rim(path(side * t.width * 0.99, y), 0.0)
        easel.canvas.fill(lens, _WHITE, 0.10)
        easel.canvas.stroke(lens, t.frame, 11)
        easel.canvas.stroke(np.concatenate([hinge, ear]), t.frame, 10)
    nose = spline(path(-bridge, y - 0.04, 0, y - 0.07, bridge, y - 0.04))
    easel.canvas.stroke(easel.pose.face(nose, 0.14), t.frame, 11)
