"""Between the rows of a gallery and what a store answers."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from pgvector import Vector as SqlVector
from psycopg.rows import TupleRow

from facenet.types import IdentityRecord, Samples

if TYPE_CHECKING:
    from facenet.types import Vector


def digest(text: str) -> bytes:
    """SHA-256 of a text; of any text, so that asking for an impossible name finds nothing."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def record(row: TupleRow) -> IdentityRecord:
    name, samples, centroid, metadata = row
    return IdentityRecord(name, samples, _vector(centroid), metadata)


def samples(rows: Sequence[TupleRow], dim: int) -> Samples:
    embeddings = np.array([_vector(embedding) for embedding, _ in rows], np.float32)
    weights = np.array([weight for _, weight in rows], np.float32)
    return Samples(embeddings.reshape(-1, dim), weights)


def only(row: TupleRow | None) -> TupleRow:
    """The row of a statement that always returns one."""
    assert row is not None, "the statement returns one row"
    return row


def _vector(value: Any) -> Vector:
    # Before 0.5 the pgvector package gave arrays.
    return np.asarray(value.to_numpy() if isinstance(value, SqlVector) else value, np.float32)
