"""Enrolments: samples first, then the rows of their identities.

There is no transaction across the two. Whoever is ended between them leaves samples that no
identity counts; enrolling one of their keys again counts them in, and so does a repairing check.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from facenet.gallery import (
    CheckedAddition,
    direction_of,
    fresh_rows,
    template_direction,
    weighted_sum,
)
from facenet.stores import Samples
from facenet_milvus import rows
from facenet_milvus.place import Place, Row
from facenet_milvus.schema import Gallery

if TYPE_CHECKING:
    from facenet.stores import Template
    from facenet.types import Vector


@dataclass(slots=True)
class Identity:
    """An identity's row, and what is added to it."""

    name: str
    row: str
    samples: int
    total: Vector
    metadata: dict[str, Any]
    known: bool
    held: set[str] = field(default_factory=set)
    """Primary keys of samples that were there, as far as they were asked for."""
    added: list[Row] = field(default_factory=list)

    @classmethod
    def of(cls, row: Row) -> Identity:
        total = rows.vector(row["total"])
        return cls(row["name"], row["row"], row["samples"], total, row["metadata"], True)

    def add(self, given: CheckedAddition, ids: Sequence[str]) -> int:
        """Take what is new of an addition; how many samples that is."""
        number = len(ids)
        places = list(range(number))
        if given.keys is not None:
            places = fresh_rows(ids, self.held | {sample["id"] for sample in self.added})
        samples = Samples(*(part[places] for part in given.samples))
        keys: Sequence[str | None] = given.keys or [None] * number
        for place, moment in zip(places, rows.times(len(places)), strict=True):
            self.added.append(
                {
                    "id": ids[place],
                    "identity": self.row,
                    "enrolled": moment,
                    "weight": float(given.samples.weights[place]),
                    "key": keys[place],
                    "embedding": given.samples.embeddings[place],
                }
            )
        self.total = self.total + weighted_sum(samples)
        self.samples += len(places)
        if self.samples:
            self.metadata = rows.checked_json({**self.metadata, **given.metadata}, self.name)
        return len(places)

    def written(self, centroid: Vector) -> Row:
        return {
            "digest": rows.digest(self.name),
            "row": self.row,
            "name": self.name,
            "samples": self.samples,
            "total": self.total.tolist(),
            "metadata": self.metadata,
            "centroid": centroid,
        }


def enrol(
    place: Place,
    gallery: Gallery,
    additions: Sequence[CheckedAddition],
    template: Template | None,
) -> list[int]:
    """Make all additions and settle the templates; how many samples each has added.

    Nobody else of this process may change the gallery meanwhile. Nothing is written before all is
    known to be right.
    """
    for given in additions:
        rows.checked_size(given.identity, "an identity's name")
        for key in given.keys or ():
            rows.checked_size(key, f"a key of {given.identity!r}")
    identities = _read(place, gallery, [given.identity for given in additions])
    ids = [_sample_ids(identities[given.identity], given) for given in additions]
    _read_held(place, gallery, identities, additions, ids)
    counts = [
        identities[given.identity].add(given, theirs)
        for given, theirs in zip(additions, ids, strict=True)
    ]
    filled = [identity for identity in identities.values() if identity.samples]
    centroids = _centroids(place, gallery, filled, template)
    place.upsert(gallery.samples, [sample for each in filled for sample in each.added])
    place.upsert(gallery.identities, list(map(Identity.written, filled, centroids)))
    return counts


def _sample_ids(identity: Identity, given: CheckedAddition) -> list[str]:
    keys: Sequence[str | None] = given.keys or [None] * len(given.samples.weights)
    return [rows.sample_id(identity.row, key) for key in keys]


def _read(place: Place, gallery: Gallery, names: Sequence[str]) -> dict[str, Identity]:
    """The identities of these names, new ones with nothing yet."""
    digests = list({rows.digest(name): None for name in names})
    found = place.get(gallery.identities, digests, ["*"], strong=True)
    there = {row["name"]: Identity.of(row) for row in found}
    nothing: Vector = np.zeros(gallery.dim, np.float32)
    return {
        name: there.get(name) or Identity(name, rows.new_row(name), 0, nothing, {}, False)
        for name in names
    }


def _read_held(
    place: Place,
    gallery: Gallery,
    identities: dict[str, Identity],
    additions: Sequence[CheckedAddition],
    ids: Sequence[Sequence[str]],
) -> None:
    """Find which keys are there already; their identities may lack samples in their count."""
    asked = {
        sample: identities[given.identity]
        for given, theirs in zip(additions, ids, strict=True)
        if given.keys and identities[given.identity].known
        for sample in theirs
    }
    for there in place.get(gallery.samples, list(asked), ["id"], strong=True):
        asked[there["id"]].held.add(there["id"])
    again = {each.row: each for each in identities.values() if each.held}
    actual: Counter[str] = Counter()
    for where in rows.filters("identity", list(again)):
        for batch in place.scan(gallery.samples, ["identity"], where, strong=True):
            actual.update(sample["identity"] for sample in batch)
    wrong = [row for row, each in again.items() if actual[row] != each.samples]
    for row, samples in rows.samples_of(place, gallery, wrong).items():
        again[row].samples, again[row].total = len(samples.weights), weighted_sum(samples)


def _centroids(
    place: Place, gallery: Gallery, identities: Sequence[Identity], template: Template | None
) -> list[Vector]:
    if template is None:
        return [direction_of(each.total, each.name) for each in identities]
    known = [each.row for each in identities if each.known]
    held = rows.samples_of(place, gallery, known)
    made = []
    for each in identities:
        samples = rows.samples(each.added, gallery.dim)
        if each.row in held:
            parts = zip(held[each.row], samples, strict=True)
            samples = Samples(*(np.concatenate(part) for part in parts))
        made.append(template_direction(template, samples, each.name))
    return made
