"""What the tests of stores share: small vectors, and how a gallery is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from facenet.stores import IdentityRecord, Store

if TYPE_CHECKING:
    from facenet.stores import Samples
    from facenet.types import Vector

DIM = 4
SPACE = "space-a"


class OpenStore(Protocol):
    """Opens the same gallery each time it is called, as a new `Store`."""

    def __call__(self, embedding_dim: int = DIM, space: str = SPACE) -> Store: ...


def axis(index: int) -> Vector:
    """The unit vector along one axis."""
    vector: Vector = np.eye(DIM, dtype=np.float32)[index]
    return vector


def unit(vectors: Any) -> Vector:
    """(..., D) vectors scaled to unit length."""
    scaled: Vector = np.asarray(
        vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32
    )
    return scaled


def directions(count: int, seed: int = 0) -> Vector:
    """Random unit vectors, (count, DIM)."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIM))
    return unit(vectors)


def names(store: Store, probe: Vector, **limits: Any) -> list[str]:
    """The identities that a search for one probe finds, in its order."""
    return [match.identity for match in store.search(probe, **limits)[0]]


def held(store: Store, identity: str) -> IdentityRecord:
    """The record of an identity that must be enrolled."""
    record = store.get(identity)
    assert record is not None, f"{identity!r} is not enrolled"
    return record


def everything(store: Store) -> Any:
    """All that a store answers about all identities, as plain values."""
    return [
        (record.to_dict(), [part.tolist() for part in store.samples(record.identity)])
        for record in store.identities()
    ]


def heaviest(samples: Samples) -> Vector:
    """A template: the sample of the largest weight, and of these the first."""
    sample: Vector = samples.embeddings[samples.weights.argmax()]
    return sample
