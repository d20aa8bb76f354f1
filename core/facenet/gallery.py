"""What every store checks on the way in, so that all of them accept and refuse the same."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from facenet.errors import StoreError

if TYPE_CHECKING:
    from facenet.types import Samples, Template, Vector

Key = TypeVar("Key", bound=Hashable)

SHORTEST = 1e-6
"""Length of a sum of unit vectors below which its direction is rounding noise."""


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
    exact = vectors.astype(np.float64)  # the squares of small and large float32 do not fit it
    unit: Vector = (exact / np.linalg.norm(exact, axis=1, keepdims=True)).astype(np.float32)
    return unit


def checked_identity(identity: str) -> str:
    """An identity name that every store can keep; raises `StoreError` otherwise."""
    if not identity.strip():
        raise StoreError(f"identity {identity!r}: must have visible text")
    return _checked_text(identity, "identity")


def checked_keys(keys: Sequence[str] | None, samples: int) -> Sequence[str] | None:
    """One key for each sample, or None; raises `StoreError` otherwise."""
    if keys is not None and len(keys) != samples:
        raise StoreError(f"{len(keys)} keys were given for {samples} embeddings")
    for key in keys or ():
        _checked_text(key, "key")
    return keys


def checked_weights(weights: Sequence[float] | None, samples: int) -> Vector:
    """One weight in (0, 1] for each sample, (samples,) float32; None: 1 each.

    Raises `StoreError` for another number of weights and for a weight out of range.
    """
    if weights is None:
        return np.ones(samples, np.float32)
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (samples,):
        raise StoreError(f"weights of shape {given.shape} do not fit {samples} embeddings")
    kept: Vector = given.clip(0, 1).astype(np.float32)
    wrong = given[~((kept > 0) & (given <= 1))]  # of NaN too
    if len(wrong):
        raise StoreError(f"weight {wrong[0]}: must be above 0 and at most 1")
    return kept


def checked_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Metadata as it comes back from JSON; raises `StoreError` for what JSON cannot hold."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(metadata or {}), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise StoreError(f"metadata cannot be kept as JSON: {error}") from error
    for text in _texts(plain):
        _checked_text(text, "metadata")
    return plain


def fresh_rows(keys: Sequence[Key], held: Set[Key]) -> list[int]:
    """The rows whose key is not held; of a key that is given twice, the first."""
    first = {key: row for row, key in reversed(list(enumerate(keys))) if key not in held}
    return sorted(first.values())


def weighted_sum(samples: Samples) -> Vector:
    """(D,) float32 in the direction of the weighted mean."""
    exact = samples.weights.astype(np.float64) @ samples.embeddings.astype(np.float64)
    total: Vector = exact.astype(np.float32)
    return total


def template_direction(template: Template, samples: Samples, identity: str) -> Vector:
    """The direction of what `template` makes of an identity's samples: (D,) float32, unit length.

    Raises `StoreError` for a vector of another shape, with NaN, or without direction.
    """
    made = np.asarray(template(samples), dtype=np.float64)
    shape = samples.embeddings.shape[1:]
    if made.shape != shape:
        raise StoreError(f"the template of {identity!r} has shape {made.shape}: must be {shape}")
    length = float(np.linalg.norm(made))
    if not np.isfinite(length):
        raise StoreError(f"the template of {identity!r} holds NaN or infinity")
    check_length(length, identity)
    direction: Vector = (made / length).astype(np.float32)
    return direction


def check_length(length: float, identity: str) -> None:
    """Raises `StoreError` where a template of this length has no direction."""
    if length < SHORTEST:
        raise StoreError(
            f"the template of {identity!r} is {length:.0e} long: its samples cancel out and have "
            "no direction"
        )


def _checked_text(text: str, what: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise StoreError(f"{what} {text!r}: holds characters that are not Unicode text") from error
    if "\0" in text:
        raise StoreError(f"{what} {text!r}: holds a NUL character")
    return text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value:
            yield from _texts(item)
        if isinstance(value, dict):
            yield from _texts(list(value.values()))
