"""Embeddings as plain arrays: checked on the way in, compared by cosine similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from facenet.errors import StoreError

if TYPE_CHECKING:
    from facenet.types import Vector


def l2_normalize(vectors: Vector) -> Vector:
    """Scale (..., D) vectors to unit length; a zero vector stays zero."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(norms == 0, 1, norms), dtype=np.float32)


def checked_embeddings(embeddings: Any, dim: int) -> Vector:
    """What a store may keep: (N, dim) float32 of unit length, from (N, dim) or (dim,) numbers.

    Raises `StoreError` for another dimension, for NaN or infinity, and for a zero vector.
    """
    vectors = np.atleast_2d(np.asarray(embeddings, dtype=np.float32))
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise StoreError(f"embeddings of shape {vectors.shape} do not fit dimension {dim}")
    if not np.isfinite(vectors).all():
        raise StoreError("an embedding holds NaN or infinity")
    if not np.any(vectors, axis=1).all():
        raise StoreError("an embedding is the zero vector, which has no direction")
    return l2_normalize(vectors)


def checked_identity(identity: str) -> str:
    """An identity name that every store can keep; raises `StoreError` otherwise."""
    if not identity.strip() or "\0" in identity:
        raise StoreError(f"identity {identity!r}: must have visible text and no NUL character")
    return identity
