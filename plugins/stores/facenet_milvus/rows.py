"""Between the rows of a gallery and what a store answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from facenet.errors import StoreError
from facenet.stores import IdentityRecord, Samples
from facenet_milvus.place import Place, Row
from facenet_milvus.schema import LONGEST_TEXT, Gallery

if TYPE_CHECKING:
    from facenet.types import Vector

RECORD = ["name", "samples", "centroid", "metadata"]
ROWS_OF_A_FILTER = 1000
_OF_THE_NAME, _OF_THE_ROW = 32, 16


def digest(text: str) -> str:
    """SHA-256 of a text in hexadecimal; of any text, so that asking for an impossible name finds
    nothing."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def new_row(identity: str) -> str:
    """What the samples of a new identity name it by; that of a former namesake is another."""
    return digest(identity)[:_OF_THE_NAME] + uuid4().hex[:_OF_THE_ROW]


def of_name(identity: str) -> str:
    """A filter for the samples of whoever has, or had, this name."""
    return f'identity like "{digest(identity)[:_OF_THE_NAME]}%"'


def sample_id(row: str, key: str | None) -> str:
    """The primary key of a sample: of an identity's key always the same, so that nobody can enrol
    it twice."""
    return uuid4().hex if key is None else digest(f"{row} {key}")


_last_time = count(time.time_ns())


def times(number: int) -> Iterator[int]:
    """When samples are enrolled, in nanoseconds since 1970, each later than the one before."""
    global _last_time
    first = max(next(_last_time), time.time_ns())
    _last_time = count(first + number)
    return iter(range(first, first + number))


def record(row: Row) -> IdentityRecord:
    return IdentityRecord(row["name"], row["samples"], vector(row["centroid"]), row["metadata"])


def vector(numbers: Sequence[float]) -> Vector:
    return np.array(numbers, np.float32)


def samples(found: Sequence[Row], dim: int) -> Samples:
    """Rows of samples in order of enrolment."""
    ordered = sorted(found, key=lambda row: row["enrolled"])
    embeddings = np.array([row["embedding"] for row in ordered], np.float32)
    weights = np.array([row["weight"] for row in ordered], np.float32)
    return Samples(embeddings.reshape(-1, dim), weights)


def samples_of(place: Place, gallery: Gallery, identities: Sequence[str]) -> dict[str, Samples]:
    """All samples of the identities of these rows."""
    found: dict[str, list[Row]] = {row: [] for row in identities}
    fields = ["identity", "enrolled", "weight", "embedding"]
    for where in filters("identity", identities):
        for batch in place.scan(gallery.samples, fields, where, strong=True):
            for row in batch:
                found[row["identity"]].append(row)
    return {row: samples(theirs, gallery.dim) for row, theirs in found.items()}


def filters(field: str, values: Sequence[str]) -> Iterator[str]:
    """Filters that let through rows in whose `field` one of these hexadecimal values stands."""
    for start in range(0, len(values), ROWS_OF_A_FILTER):
        yield f"{field} in {json.dumps(list(values[start : start + ROWS_OF_A_FILTER]))}"


def checked_size(text: str, what: str) -> None:
    """Raises `StoreError` for a text that is too long for Milvus."""
    size = len(text.encode())
    if size > LONGEST_TEXT:
        raise StoreError(f"{what} has {size:,} bytes: Milvus keeps at most {LONGEST_TEXT:,}")


def checked_json(metadata: dict[str, Any], identity: str) -> dict[str, Any]:
    """Metadata that Milvus can keep; raises `StoreError`."""

    def checked(digits: str) -> int:
        if not -(2**63) <= int(digits) < 2**64:
            raise StoreError(
                f"the metadata of {identity!r} holds {digits}: Milvus keeps integers of 64 bits"
            )
        return int(digits)

    text = json.dumps(metadata, ensure_ascii=False)
    checked_size(text, f"the metadata of {identity!r}")
    kept: dict[str, Any] = json.loads(text, parse_int=checked)
    return kept
