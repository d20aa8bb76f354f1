"""What can be wrong inside of a gallery, and putting it right.

Only the crash of a writer, or two processes that enrol one identity at once, make it so: each row
is written whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from facenet.errors import StoreError
from facenet.gallery import direction_of, weighted_sum
from facenet.stores import Finding, Samples
from facenet.text import count
from facenet_milvus import rows
from facenet_milvus.enrolment import Identity
from facenet_milvus.place import Place, Row
from facenet_milvus.schema import Gallery

LARGEST_ERROR = 1e-5
"""Of a number of a sum, for each sample; sums add up in float32."""


def check(place: Place, gallery: Gallery, *, repair: bool) -> Iterator[Finding]:
    """All findings: samples of nobody, then counts and sums."""
    for look in (_orphans, _counts):
        with place.changing():
            found = look(place, gallery, repair)
        yield from found


def _orphans(place: Place, gallery: Gallery, repair: bool) -> list[Finding]:
    """Of someone whose enrolment, or forgetting, was not ended."""
    # First the samples: whoever is enrolled meanwhile has a row by the time that rows are read.
    owners: Counter[str] = Counter()
    for batch in place.scan(gallery.samples, ["identity"], strong=True):
        owners.update(row["identity"] for row in batch)
    for batch in place.scan(gallery.identities, ["row"], strong=True):
        for row in batch:
            owners.pop(row["row"], None)
    if repair:
        for where in rows.filters("identity", list(owners)):
            place.erase(gallery.samples, where=where)
    return [
        Finding(
            "orphans", (), f"{count(number, 'sample')} of row {row}, which is no identity", repair
        )
        for row, number in sorted(owners.items())
    ]


def _counts(place: Place, gallery: Gallery, repair: bool) -> list[Finding]:
    findings, written = [], []
    for batch in place.scan(gallery.identities, ["*"], strong=True):
        held = rows.samples_of(place, gallery, [row["row"] for row in batch])
        for row in batch:
            samples = held[row["row"]]
            problem = _miscount(row, samples)
            if problem:
                name = row["name"]
                findings.append(Finding("counts", (name,), f"{name!r} {problem}", repair))
                written.append(_counted(row, samples))
    if repair:
        place.upsert(gallery.identities, written)
    return sorted(findings, key=lambda finding: finding.identities)


def _miscount(row: Row, samples: Samples) -> str:
    held = len(samples.weights)
    if row["samples"] != held:
        return f"counts {count(row['samples'], 'sample')}, but holds {held}"
    distance = float(np.linalg.norm(rows.vector(row["total"]) - weighted_sum(samples)))
    if not distance <= LARGEST_ERROR * max(held, 10):
        return f"has a sum that is {distance:.1e} off that of its {count(held, 'sample')}"
    return ""


def _counted(row: Row, samples: Samples) -> Row:
    """The row with count, sum and mean of its samples; where they have no direction, with the
    template that it has."""
    identity = Identity.of(row)
    identity.samples, identity.total = len(samples.weights), weighted_sum(samples)
    centroid = rows.vector(row["centroid"])
    with suppress(StoreError):
        centroid = direction_of(identity.total, identity.name)
    return identity.written(centroid)
