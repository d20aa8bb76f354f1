"""One made-up face by whose embedding a bundle proves itself on another machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from facenet.types import Image


def reference_face(size: int) -> Image:
    """A pattern of (size, size, 3) uint8 RGB that is the same everywhere.

    No random generator and no image codec has a part in it: its values are the highest bytes of
    the multiples of Knuth's constant (The Art of Computer Programming, volume 3, section 6.4),
    modulo 2 to the power of 32.
    """
    counts = np.arange(size * size * 3, dtype=np.uint32)
    pattern: Image = (counts * np.uint32(2654435761) >> np.uint32(24)).astype(np.uint8)
    return pattern.reshape(size, size, 3)
