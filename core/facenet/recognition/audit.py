"""Whether a gallery is what its samples make it: templates recomputed, doubles found."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from facenet.errors import StoreError
from facenet.gallery import template_direction, weighted_sum
from facenet.records import Record
from facenet.stores import CheckedStore, Finding, IdentityRecord, Samples, Store
from facenet.text import count, listed
from facenet.types import Progress

if TYPE_CHECKING:
    from facenet.stores import Template

LARGEST_DRIFT = 1e-5
"""Of a number of a template: enrolments add up in float32, and come this close for millions."""
ATTEMPTS = 5
"""To read an identity that is being enrolled meanwhile."""


@dataclass(frozen=True, slots=True)
class Audit(Record):
    """What an audit found; `whole` is False where it was stopped before it had seen everything."""

    findings: tuple[Finding, ...]
    identities: int
    samples: int
    largest_drift: float
    whole: bool

    @property
    def open(self) -> int:
        """How many findings were not put right."""
        return sum(not finding.repaired for finding in self.findings)


def audit(
    store: Store,
    *,
    repair: bool = False,
    template: Template | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Audit:
    """Look at a whole gallery, in use or not: what `CheckedStore.check` finds, then each identity.

    An identity's template should be what `template` (None: the weighted mean) makes of its samples
    within 1e-5, it should have samples, and no two identities the same one. With `repair` templates
    are made anew, each in a transaction, and identities without samples are forgotten; doubles are
    for people to decide. `stop` is asked between identities. Memory: 16 bytes for each sample, and
    what is found. Raises `StoreError` where the store does.
    """
    run = _Run(store, repair, template or weighted_sum)
    whole = True
    for finding in store.check(repair=repair) if isinstance(store, CheckedStore) else ():
        run.findings.append(finding)
        if stop():
            return run.result(whole=False)
    total = store.count()
    for done, record in enumerate(store.identities(), start=1):
        if stop():
            whole = False
            break
        run.look_at(record)
        if progress:
            progress(done, max(done, total))
    run.find_doubles()
    return run.result(whole=whole)


class _Run:
    """What was seen so far."""

    def __init__(self, store: Store, repair: bool, template: Template) -> None:
        self.store = store
        self.repair = repair
        self.template = template
        self.findings: list[Finding] = []
        self.identities = self.samples = 0
        self.largest_drift = 0.0
        # Of each sample 64 bits of a hash, and of its identity's name.
        self._vectors, self._owners = array("Q"), array("Q")

    def look_at(self, record: IdentityRecord) -> None:
        samples = self.store.samples(record.identity)
        problem, drift = _problem(record, samples, self.template)
        if problem:
            # Someone may have enrolled between the two calls: only what lasts is wrong.
            again = _at_one_moment(self.store, record.identity)
            if again is None:
                return
            record, samples = again
            problem, drift = _problem(record, samples, self.template)
        self.identities += 1
        self.samples += len(samples.weights)
        self.largest_drift = max(self.largest_drift, drift)
        owner = _hash(record.identity.encode())
        for embedding in samples.embeddings:
            self._vectors.append(_hash(embedding.tobytes()))
            self._owners.append(owner)
        if problem:
            self._note(record, samples, problem)

    def _note(self, record: IdentityRecord, samples: Samples, problem: str) -> None:
        identity = record.identity
        kind = "drift" if len(samples.weights) else "empty"
        done = False
        if self.repair and kind == "empty":
            self.store.forget(identity)
            done = True
        elif self.repair:
            try:
                self.store.enrol(identity, samples.embeddings[:0], template=self.template)
                done = True
            except StoreError as error:
                problem = f"{problem}; it cannot be made anew: {error}"
        self.findings.append(Finding(kind, (identity,), f"{identity!r} {problem}", done))

    def find_doubles(self) -> None:
        """Add a finding for each group of identities that hold the same vectors."""
        groups = _shared(self._vectors, self._owners)
        wanted = {owner for group in groups for owner in group}
        names = {}
        for record in self.store.identities() if wanted else ():
            owner = _hash(record.identity.encode())
            if owner in wanted:
                names[owner] = record.identity
        for group, number in groups.items():
            held = sorted(names[owner] for owner in group if owner in names)
            if len(held) > 1:
                text = f"{listed(held)} share {count(number, 'vector')}"
                self.findings.append(Finding("duplicates", tuple(held), text))

    def result(self, *, whole: bool) -> Audit:
        return Audit(tuple(self.findings), self.identities, self.samples, self.largest_drift, whole)


def _problem(record: IdentityRecord, samples: Samples, template: Template) -> tuple[str, float]:
    """What is wrong with an identity, or "", and how far its template is off."""
    if not len(samples.weights):
        return "has no samples", 0.0
    try:
        with np.errstate(over="ignore"):  # Of what is damaged; it has no direction then.
            made = template_direction(template, samples, record.identity)
    except StoreError:
        return "has a template, although its samples have no direction", 0.0
    drift = float(np.abs(record.centroid - made).max())
    if not drift <= LARGEST_DRIFT:
        return f"has a template that is {drift:.1e} off what its samples make", drift
    return "", drift


def _at_one_moment(store: Store, identity: str) -> tuple[IdentityRecord, Samples] | None:
    """A record and the samples that belong to it; None when the identity is not there any more."""
    before = store.get(identity)
    for _ in range(ATTEMPTS):
        samples = store.samples(identity)
        after = store.get(identity)
        if before is None or after is None:
            return None
        if before.samples == after.samples and np.array_equal(before.centroid, after.centroid):
            return after, samples
        before = after
    raise StoreError(f"{identity!r} changes too fast to be looked at: audit when fewer enrol")


def _shared(vectors: array[int], owners: array[int]) -> Counter[tuple[int, ...]]:
    """Which groups of owners have vectors in common, and how many."""
    hashes, theirs = np.frombuffer(vectors, np.uint64), np.frombuffer(owners, np.uint64)
    order = np.lexsort([theirs, hashes])
    hashes, theirs = hashes[order], theirs[order]
    again = np.flatnonzero((hashes[1:] == hashes[:-1]) & (theirs[1:] != theirs[:-1]))
    found: Counter[tuple[int, ...]] = Counter()
    for vector in np.unique(hashes[again]):
        first, last = np.searchsorted(hashes, vector), np.searchsorted(hashes, vector, "right")
        found[tuple(np.unique(theirs[first:last]).tolist())] += 1
    return found


def _hash(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big")
