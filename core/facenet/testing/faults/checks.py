"""Whether a store holds what it acknowledged, and nothing by halves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from facenet.stores import CropStore, Store
from facenet.testing.faults.journal import Event, Operation, sample_number
from facenet.testing.galleries import unit

LARGEST_CENTROID_ERROR = 1e-6


@dataclass
class Findings:
    """What a store holds, held against what its journal says."""

    acknowledged: int = 0
    committed: int = 0
    """Enrolments that are there although the writer died before it heard so: neither is wrong."""
    lost: int = 0
    half: int = 0
    returned: int = 0
    miscounted: int = 0
    centroid_error: float = 0.0
    problems: list[str] = field(default_factory=list)
    kept: list[Operation] = field(default_factory=list)

    def wrong(self, what: str, problem: str) -> None:
        """Count one more of `lost`, `half`, `returned` or `miscounted`."""
        setattr(self, what, getattr(self, what) + 1)
        self.problems.append(problem)


def check_store(store: Store, events: Iterable[Event]) -> Findings:
    """Compare a whole gallery with all that was ever begun in it; `events` in order of begin."""
    findings = Findings()
    of_identity: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        of_identity[event.operation.identity].append(event)
        findings.acknowledged += event.begun >= 0 and event.done is not None
    samples = 0
    for identity in sorted({*of_identity, *(record.identity for record in store.identities())}):
        samples += _check_identity(store, identity, of_identity[identity], findings)
    _check_counts(store, samples, findings)
    return findings


def _check_identity(store: Store, identity: str, events: list[Event], findings: Findings) -> int:
    """Returns how many samples the store holds of the identity."""
    held = _held_samples(store, identity)
    numbers = Counter(number for number, _, _ in held)
    forgets = [event for event in events if event.operation.kind == "forget"]
    kept: list[Operation] = []
    for event in events:
        operation = event.operation
        if operation.kind == "forget":
            continue
        found = sum(numbers.pop(number, 0) for number in operation.sample_numbers)
        whole = list(zip(operation.sample_numbers, operation.weights, operation.crops, strict=True))
        name = f"enrolment {operation.number} of {identity!r}"
        if not found:
            if event.done is not None and all(forget.precedes(event) for forget in forgets):
                findings.wrong("lost", f"{name} was acknowledged and is lost")
            continue
        if found != len(whole) or not all(sample in held for sample in whole):
            findings.wrong("half", f"{name}: {found} of {len(whole)} samples are as enrolled")
        elif any(forget.done is not None and event.precedes(forget) for forget in forgets):
            findings.wrong("returned", f"{name} was forgotten and is back")
        kept.append(operation)
        findings.committed += event.done is None
    if numbers:
        findings.wrong("half", f"{identity!r} holds {numbers.total()} samples of no enrolment")
    if _forgotten_in_part(events, forgets, kept):
        findings.wrong("half", f"{identity!r} is forgotten in part")
    _check_keys(store, identity, kept, findings)
    _check_record(store, identity, findings)
    findings.kept += kept
    return len(held)


def _held_samples(store: Store, identity: str) -> list[tuple[int | None, float, bytes | None]]:
    """The number, weight and crop of each sample."""
    embeddings, weights = store.samples(identity)
    numbers = [sample_number(embedding) for embedding in embeddings]
    crops = store.crops(identity) if isinstance(store, CropStore) else [None] * len(numbers)
    return list(zip(numbers, weights.tolist(), crops, strict=True))


def _forgotten_in_part(events: list[Event], forgets: list[Event], kept: list[Operation]) -> bool:
    """Whether a forgetting that was not acknowledged took some enrolments and left others."""
    pending = [forget for forget in forgets if forget.done is None]
    done = [forget for forget in forgets if forget.done is not None]
    at_stake = [
        event.operation in kept
        for event in events
        if event not in forgets
        and event.done is not None
        and all(forget.precedes(event) for forget in done)
        and all(event.precedes(forget) for forget in pending)
    ]
    return bool(pending) and any(at_stake) and not all(at_stake)


def _check_keys(store: Store, identity: str, kept: list[Operation], findings: Findings) -> None:
    """To enrol again under keys that are held must add nothing."""
    if not kept:
        return
    embeddings = np.concatenate([operation.embeddings for operation in kept])
    keys = [key for operation in kept for key in operation.keys]
    if added := store.enrol(identity, embeddings, keys=keys):
        findings.wrong("lost", f"{identity!r}: {added} of {len(keys)} keys are lost")


def _check_record(store: Store, identity: str, findings: Findings) -> None:
    record = store.get(identity)
    embeddings, weights = store.samples(identity)
    count = record.samples if record else 0
    if count != len(weights):
        findings.wrong("miscounted", f"{identity!r} counts {count} samples, holds {len(weights)}")
    if record is None or not len(weights):
        return
    mean = unit(weights.astype(np.float64) @ embeddings.astype(np.float64))
    error = float(np.abs(record.centroid - mean).max())
    findings.centroid_error = max(findings.centroid_error, error)
    if error > LARGEST_CENTROID_ERROR:
        findings.problems.append(f"the centroid of {identity!r} is off by {error:.0e}")
    matches = store.search(record.centroid, top_k=store.count())[0]
    if (identity, count) not in [(match.identity, match.samples) for match in matches]:
        findings.wrong("miscounted", f"a search does not find {identity!r} with {count} samples")


def _check_counts(store: Store, samples: int, findings: Findings) -> None:
    stats, identities = store.stats(), len(list(store.identities()))
    if (stats.identities, stats.samples) != (identities, samples):
        findings.wrong(
            "miscounted",
            f"{stats.identities} identities and {stats.samples} samples are counted, "
            f"{identities} and {samples} are there",
        )
