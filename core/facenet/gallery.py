"""What every store checks and computes alike: what comes in, and the directions of templates."""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence, Set
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from facenet.errors import StoreError
from facenet.stores import Addition, Samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facenet.stores import Template
    from facenet.types import Vector

Key = TypeVar("Key", bound=Hashable)

SHORTEST = 1e-6
"""Length of a sum of unit vectors below which its direction is rounding noise."""
LARGEST_CROP = 4 * 2**20
"""Bytes of an aligned face: enough for a PNG file of 1024 x 1024 pixels of any content."""
DEEPEST = 100
"""Levels of objects and arrays in metadata, the outermost counted."""
_TOO_DEEP = f"metadata is nested more than {DEEPEST} levels deep"


class CheckedAddition(NamedTuple):
    """An addition that a store may keep as it is: one crop, or None, for each sample, and metadata
    as it comes back from JSON."""

    identity: str
    samples: Samples
    keys: Sequence[str] | None
    metadata: dict[str, Any]
    crops: list[bytes | None]


def checked_addition(addition: Addition, dim: int) -> CheckedAddition:
    """Check all of an addition of samples of dimension `dim`; raises `StoreError`."""
    identity = checked_identity(addition.identity)
    vectors = checked_embeddings(addition.embeddings, dim)
    return CheckedAddition(
        identity,
        Samples(vectors, checked_weights(addition.weights, len(vectors))),
        checked_keys(addition.keys, len(vectors)),
        checked_metadata(addition.metadata),
        checked_crops(addition.crops, len(vectors)),
    )


def checked_additions(additions: Sequence[Addition], dim: int) -> list[CheckedAddition]:
    """As `checked_addition`, for each; the `StoreError` names the identity."""
    checked = []
    for addition in additions:
        try:
            checked.append(checked_addition(addition, dim))
        except StoreError as error:
            raise StoreError(f"enrolling {addition.identity!r}: {error}") from error
    return checked


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


def checked_crops(crops: Sequence[bytes | None] | None, samples: int) -> list[bytes | None]:
    """The aligned face of each sample as a file, or None; None for all: none of any.

    Raises `StoreError` for another number, for what is not `bytes`, and for an empty file or one
    larger than `LARGEST_CROP`.
    """
    if crops is None:
        return [None] * samples
    if len(crops) != samples:
        raise StoreError(f"{len(crops)} crops were given for {samples} embeddings")
    for crop in crops:
        if crop is not None and not isinstance(crop, bytes):
            raise StoreError(f"a crop is {type(crop).__name__}: must be the bytes of a file")
        if crop is not None and not 0 < len(crop) <= LARGEST_CROP:
            raise StoreError(f"a crop has {len(crop):,} bytes: must have 1 to {LARGEST_CROP:,}")
    return list(crops)


def checked_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Metadata as it comes back from JSON.

    Raises `StoreError` for what JSON cannot hold, and for more than `DEEPEST` levels.
    """
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(metadata or {}), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise StoreError(f"metadata cannot be kept as JSON: {error}") from error
    except RecursionError as error:
        raise StoreError(_TOO_DEEP) from error
    for text in _texts(plain, DEEPEST):
        _checked_text(text, "metadata")
    return plain


def checked_filter(where: Mapping[str, Any] | None) -> dict[str, Any]:
    """The `where` of a search as it comes back from JSON; raises `StoreError` as for metadata."""
    try:
        return checked_metadata(where)
    except StoreError as error:
        raise StoreError(f"where: {error}") from error


def checked_search(
    probes: Any, dim: int, top_k: int, where: Mapping[str, Any] | None
) -> tuple[Vector, dict[str, Any]]:
    """What `Store.search` compares, (M, dim) float32 of unit length, and its filter as it comes
    back from JSON; raises `StoreError`."""
    if top_k < 1:
        raise StoreError(f"top_k must be at least 1, got {top_k}")
    return checked_embeddings(probes, dim), checked_filter(where)


def contains(metadata: Any, where: Any) -> bool:
    """Whether checked metadata contains a checked filter, as PostgreSQL's ``metadata @> where``.

    An object contains one whose keys it has, with values that it contains; an array one of whose
    elements each is contained in one of its own, in any order; any other value its equal: 1 is
    1.0, and not true.
    """
    if isinstance(where, dict):
        return isinstance(metadata, dict) and all(
            key in metadata and contains(metadata[key], value) for key, value in where.items()
        )
    if isinstance(where, list):
        return isinstance(metadata, list) and all(
            any(contains(value, wanted) for value in metadata) for wanted in where
        )
    if isinstance(where, bool) or isinstance(metadata, bool):
        return where is metadata
    return bool(_exact(metadata) == _exact(where))


def check_transfer(identity: str, to: str) -> None:
    """Raises `StoreError` where samples may not go from one identity to another of these names."""
    checked_identity(to)
    if identity == to:
        raise StoreError(f"{identity!r} is one identity: name another that gets its samples")


def chosen_samples(identity: str, held: Collection[int], asked: Sequence[int] | None) -> set[int]:
    """The samples of an identity that are asked for by number; None: all that it holds.

    Raises `StoreError` for a number that is none of its samples.
    """
    if asked is None:
        return set(held)
    chosen = set(asked)
    if strange := sorted(chosen.difference(held)):
        raise StoreError(f"{identity!r} has no sample of number {', '.join(map(str, strange))}")
    if not chosen:
        raise StoreError(f"no sample of {identity!r} is named")
    return chosen


def not_enrolled(identity: str) -> StoreError:
    return StoreError(f"{identity!r} is not enrolled")


def name_taken(identity: str) -> StoreError:
    return StoreError(f"{identity!r} is another identity already: merge the two, or name another")


def fresh_rows(keys: Sequence[Key], held: Set[Key]) -> list[int]:
    """The rows whose key is not held; of a key that is given twice, the first."""
    first = {key: row for row, key in reversed(list(enumerate(keys))) if key not in held}
    return sorted(first.values())


def unit_rows(vectors: Vector) -> Vector:
    """(N, D) vectors in unit length; one without length stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vector = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit


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
    return direction_of(made, identity)


def direction_of(total: NDArray[Any], identity: str) -> Vector:
    """A template of unit length, (D,) float32, in the direction of this vector.

    Raises `StoreError` where it holds NaN, and where it has no direction.
    """
    exact = total.astype(np.float64)
    length = float(np.linalg.norm(exact))
    if not np.isfinite(length):
        raise StoreError(f"the template of {identity!r} holds NaN or infinity")
    check_length(length, identity)
    direction: Vector = (exact / length).astype(np.float32)
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


def _texts(value: Any, levels: int) -> Iterator[str]:
    """All texts in a value, keys included; raises `StoreError` for more levels than these."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        if levels == 0:
            raise StoreError(_TOO_DEEP)
        for part in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _texts(part, levels - 1)


def _exact(value: Any) -> Any:
    """A float as the number that JSON writes, which is what a database compares."""
    return Decimal(repr(value)) if isinstance(value, float) else value
