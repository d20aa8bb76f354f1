"""Between the rows of a gallery and what a store answers."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence, Set
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from pgvector import Vector as SqlVector
from psycopg.rows import TupleRow

from facenet.gallery import CheckedAddition, fresh_rows
from facenet.stores import IdentityRecord, Samples
from facenet_pgvector.tables import Gallery

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facenet.types import Vector

Extras = tuple[bytes | None, str | None, bytes | None]
"""What a sample has besides its vector and weight, or has not: crop, key, digest of the key."""
ROWS_OF_A_BLOCK = 100
_SAMPLES_OF = """
SELECT identity_id, embedding, weight FROM {embeddings}
WHERE identity_id = ANY(%s) ORDER BY identity_id, id
"""
_LENGTH = struct.Struct(">i").pack
_NULL = _LENGTH(-1)


def digest(text: str) -> bytes:
    """SHA-256 of a text; of any text, so that asking for an impossible name finds nothing."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def record(row: TupleRow) -> IdentityRecord:
    name, samples, centroid, metadata = row
    return IdentityRecord(name, samples, vector(centroid), metadata)


def samples(rows: Sequence[TupleRow], dim: int) -> Samples:
    embeddings = np.array([vector(embedding) for embedding, _ in rows], np.float32)
    weights = np.array([weight for _, weight in rows], np.float32)
    return Samples(embeddings.reshape(-1, dim), weights)


def digests(keys: Sequence[str] | None) -> list[bytes] | None:
    """The digest of each key, where there are keys."""
    return None if keys is None else [digest(key) for key in keys]


def fresh(
    given: CheckedAddition, digests: Sequence[bytes] | None, held: Set[bytes]
) -> tuple[Samples, list[Extras]]:
    """The samples of an addition whose key is not held, and what each has besides."""
    count = len(given.samples.weights)
    keys: Sequence[str | None] = given.keys or [None] * count
    places = list(range(count)) if digests is None else fresh_rows(digests, held)
    samples = Samples(*(part[places] for part in given.samples))
    return samples, [
        (given.crops[place], keys[place], digests[place] if digests else None) for place in places
    ]


def samples_of(gallery: Gallery, identities: list[int]) -> dict[int, Samples]:
    """All samples of the identities in these rows, in order of enrolment."""
    found = gallery.execute(_SAMPLES_OF, [identities], binary=True, prepare=False)
    return {
        row: samples([sample[1:] for sample in theirs], gallery.dim)
        for row, theirs in groupby(found, key=itemgetter(0))
    }


def packed(
    identities: NDArray[np.int64], samples: Samples, extras: Sequence[Extras]
) -> Iterator[bytes]:
    """N samples for PostgreSQL's COPY in its binary form; packed at once, since psycopg's own way
    of one by one took longer than the server needs to store them.

    Each value follows its length in bytes, -1 for NULL, and all numbers are big-endian; a `vector`
    is its dimension, an unused number, and the numbers.
    """
    count, dim = samples.embeddings.shape
    layout = (
        ("fields", ">i2"),
        *(("of identity", ">i4"), ("identity", ">i8")),
        *(("of vector", ">i4"), ("dim", ">i2"), ("unused", ">i2"), ("vector", ">f4", (dim,))),
        *(("of weight", ">i4"), ("weight", ">f4")),
    )
    fixed = np.zeros(min(count, ROWS_OF_A_BLOCK), np.dtype(list(layout)))
    fixed["fields"], fixed["dim"] = 6, dim
    fixed["of identity"], fixed["of vector"], fixed["of weight"] = 8, 4 + 4 * dim, 4
    yield b"PGCOPY\n\xff\r\n\0" + bytes(8)
    for start in range(0, count, ROWS_OF_A_BLOCK):
        these = slice(start, start + ROWS_OF_A_BLOCK)
        block = fixed[: min(count - start, ROWS_OF_A_BLOCK)]
        block["identity"], block["weight"] = identities[these], samples.weights[these]
        block["vector"] = samples.embeddings[these]
        ready, size = block.tobytes(), block.itemsize
        yield b"".join(
            [
                ready[row * size : (row + 1) * size] + _values(*extra)
                for row, extra in enumerate(extras[these])
            ]
        )
    yield struct.pack(">h", -1)


def vector(value: Any) -> Vector:
    # Before 0.5 the pgvector package gave arrays.
    return np.asarray(value.to_numpy() if isinstance(value, SqlVector) else value, np.float32)


def _values(crop: bytes | None, key: str | None, digest: bytes | None) -> bytes:
    kept = (crop, None if key is None else key.encode(), digest)
    return b"".join([_NULL if each is None else _LENGTH(len(each)) + each for each in kept])
