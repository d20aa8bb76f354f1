"""Points and curves in face units, and soft transitions between numbers."""

from __future__ import annotations

from math import cos, pi, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # points are float64, pixels float32

RING = np.array([(cos(a), sin(a)) for a in np.linspace(0, 2 * pi, 25)])  # the unit circle


def path(*xy: float) -> Array:
    """Points (n, 2) from x, y, x, y, ..."""
    return np.array(xy).reshape(-1, 2)


def mirrored(right: Array) -> Array:
    """A right-hand side, top to bottom, continued up the left-hand side."""
    return np.concatenate([right, right[::-1] * (-1, 1)])


def between(x: Array, a: Array, b: Array) -> Array:
    """The outline (2n, 2) of the area between two curves over ``x``."""
    return np.array((np.concatenate([x, x[::-1]]), np.concatenate([a, b[::-1]]))).T


def spline(points: Array, closed: bool = False, steps: int = 5) -> Array:
    """A smooth curve through ``points`` (Catmull-Rom), with ``steps`` points for each."""
    ends = (points[-1:], points[:2]) if closed else (points[:1], points[-1:])
    p = np.concatenate([ends[0], points, ends[1]])
    t = np.arange(steps)[:, None, None] / steps
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    flat = curve.transpose(1, 0, 2).reshape(-1, 2)
    return flat if closed else np.concatenate([flat, points[-1:]])


def bump(x: Array, y: Array, cx: float, cy: float, sx: float, sy: float) -> Array:
    return np.exp(-(((x - cx) / sx) ** 2) - ((y - cy) / sy) ** 2)


def step(x: Array, low: Array | float, high: Array | float) -> Array:
    """Smoothly from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
