"""The gate of every export: does the file give the model's embeddings?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facenet.errors import DataError, FacenetError
from facenet.evaluation import Estimate, measure_all_pairs, tar_change
from facenet.exporting.images import Faces
from facenet.exporting.pixels import to_pixels
from facenet.models import EmbeddingModel

if TYPE_CHECKING:
    from facenet.exporting.pixels import Exported
    from facenet.types import Bars, Vector

MIN_COSINE = 0.9999
"""Lowest cosine of an embedding of a file in fp32 to that of the model."""
MAX_TAR_DROP = 0.002
"""By how much TAR may fall in a lower precision, unless it is said otherwise."""
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class TarChange:
    """TAR at `far`, each network with its own threshold, and its change with a 95 % interval."""

    far: float
    before: float
    after: float
    change: Estimate


@dataclass(frozen=True, slots=True)
class Parity:
    """How near a file comes to its model, on which `faces`; `tar` only where it decides."""

    faces: str
    lowest_cosine: float
    mean_cosine: float
    tar: TarChange | None = None


def check_parity(
    model: EmbeddingModel,
    exported: Exported,
    faces: Faces,
    path: Path,
    progress: Bars,
    *,
    max_tar_drop: float | None = None,
) -> Parity:
    """Compare what `exported`, the file meant for `path`, makes of faces with the model's own.

    Without `max_tar_drop` no embedding may be further than `MIN_COSINE` from the model's. With it,
    TAR at the FAR that the model decides at, over all pairs of the faces, may not fall by more.

    Raises `FacenetError` when it is too far or no embedding at all, and `DataError` when the faces
    cannot support a TAR.
    """
    before, after = _embeddings(model, exported, faces, path, progress)
    cosine = (before * after).sum(axis=1)
    lowest, mean = float(cosine.min()), float(cosine.mean())
    if max_tar_drop is None:
        if lowest < MIN_COSINE:
            raise FacenetError(
                f"{path}: not written, the export differs from the model: lowest cosine "
                f"{lowest:.6f} over {faces.source}, and at least {MIN_COSINE} is asked"
            )
        return Parity(faces.source, lowest, mean)
    tar = _tar_change(before, after, faces)
    # The difference of two shares is inexact in its last digits.
    if tar.before - tar.after > max_tar_drop + 1e-12:
        raise FacenetError(
            f"{path}: not written, TAR at FAR {tar.far:g} falls from {tar.before:.4f} to "
            f"{tar.after:.4f} over {faces.source}, a change of {tar.change}; --max-tar-drop allows "
            f"{max_tar_drop:g}"
        )
    return Parity(faces.source, lowest, mean, tar)


def _embeddings(
    model: EmbeddingModel, exported: Exported, faces: Faces, path: Path, progress: Bars
) -> tuple[Vector, Vector]:
    before, after = [], []
    with progress("comparing embeddings") as update:
        for part in _parts(len(faces)):
            crops = faces.crops[part]
            before.append(model.embed(crops))
            after.append(exported(to_pixels(crops)))
            _refuse_others(after[-1], before[-1].shape, path)
            update(part.stop, len(faces))
    return np.concatenate(before), np.concatenate(after)


def _parts(length: int) -> Iterator[slice]:
    """One face alone, then many at once: a file must take any number."""
    yield slice(0, 1)
    for start in range(1, length, _AT_ONCE):
        yield slice(start, min(start + _AT_ONCE, length))


def _refuse_others(embeddings: Vector, shape: tuple[int, ...], path: Path) -> None:
    if embeddings.shape != shape or embeddings.dtype != np.float32:
        raise FacenetError(
            f"{path}: not written, the export gives {embeddings.shape} {embeddings.dtype} "
            f"where the model gives {shape} float32"
        )
    lengths = np.linalg.norm(embeddings, axis=1)
    if not np.allclose(lengths, 1, atol=1e-3):
        raise FacenetError(
            f"{path}: not written, the export gives embeddings of length "
            f"{lengths[np.argmax(abs(lengths - 1))]:.4f}, not 1"
        )


def _tar_change(before: Vector, after: Vector, faces: Faces) -> TarChange:
    first = measure_all_pairs(before, faces.identity)
    point = first.verification.decision_point()
    if point is None:
        raise DataError(
            f"{faces.source}: {first.verification.impostor_pairs} impostor pairs support no TAR; "
            "give more people"
        )
    second = measure_all_pairs(after, faces.identity)
    same_far = second.verification.operating_points[point.far]
    if same_far is None:
        raise AssertionError("the same pairs support the same FARs")
    change = tar_change(first, second, point.far)
    return TarChange(point.far, point.tar, same_far.tar, change)
