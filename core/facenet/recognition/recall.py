"""How often a store's search finds what comparing with every template would find."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from facenet.errors import RequestError
from facenet.recognition.bulk import batches_of
from facenet.records import Record
from facenet.stores import IdentityRecord, IndexedStore, Match, Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facenet.types import Progress, Vector

NOISE = 0.5
"""Length of what is added to a centroid to make a probe: they are then about 0.89 alike."""
EQUAL = 1e-6
"""Similarities that differ by less are one: the order of such matches is rounding noise."""
_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Recall(Record):
    """What the searches of a store missed, and how long one took.

    `recall_at_1` and `recall_at_k` are the share of the true nearest 1 and `top_k` that were found;
    `short` counts the probes for which fewer than `top_k` came although the gallery has them. The
    first search, in which a store may build what it searches in, stands alone. Milliseconds.
    """

    backend: str
    identities: int
    probes: int
    top_k: int
    recall_at_1: float
    recall_at_k: float
    short: int
    p50_ms: float
    p99_ms: float
    first_ms: float


def measure_recall(
    store: Store,
    *,
    probes: int = 200,
    top_k: int = 10,
    seed: int = 0,
    progress: Progress | None = None,
) -> Recall:
    """Search for `probes` perturbed templates, one at a time, and compare with all of them.

    The same gallery and `seed` give the same probes. All templates are read twice, a few thousand
    in memory at once; whoever enrols or forgets meanwhile lowers the recall. Raises `RequestError`
    for an empty gallery.
    """
    vectors = _probes(store.identities(), probes, np.random.default_rng(seed))
    if not len(vectors):
        raise RequestError("the gallery is empty: enrol someone first")
    first_ms = _timed(store, vectors[0], top_k)[1]
    if isinstance(store, IndexedStore):
        store.wait_for_index()
    answers, times = [], []
    for done, vector in enumerate(vectors, start=1):
        matches, milliseconds = _timed(store, vector, top_k)
        answers.append(matches)
        times.append(milliseconds)
        if progress:
            progress(done, len(vectors))
    identities, truth, similar = _truth(store.identities(), vectors, answers, top_k)
    found_1 = [
        bool(own) and own[0] >= best[0] - EQUAL for own, best in zip(similar, truth, strict=True)
    ]
    found_k = [
        sum(value >= best[-1] - EQUAL for value in own) / len(best)
        for own, best in zip(similar, truth, strict=True)
    ]
    return Recall(
        backend=store.stats().backend,
        identities=identities,
        probes=len(vectors),
        top_k=top_k,
        recall_at_1=float(np.mean(found_1)),
        recall_at_k=float(np.mean(np.minimum(found_k, 1))),
        short=sum(len(own) < len(best) for own, best in zip(answers, truth, strict=True)),
        p50_ms=float(np.percentile(times, 50)),
        p99_ms=float(np.percentile(times, 99)),
        first_ms=first_ms,
    )


def _probes(records: Iterable[IdentityRecord], count: int, random: np.random.Generator) -> Vector:
    """(at most count, D): templates drawn by reservoir sampling, and noise."""
    drawn: list[Vector] = []
    for seen, record in enumerate(records):
        if seen < count:
            drawn.append(record.centroid)
        elif (place := int(random.integers(seen + 1))) < count:
            drawn[place] = record.centroid
    if not drawn:
        return np.empty((0, 0), np.float32)
    noise = random.standard_normal((len(drawn), len(drawn[0])))
    noise *= NOISE / np.linalg.norm(noise, axis=1, keepdims=True)
    probes: Vector = (np.array(drawn) + noise).astype(np.float32)
    return probes


def _timed(store: Store, probe: Vector, top_k: int) -> tuple[list[Match], float]:
    begun = time.perf_counter()
    [matches] = store.search(probe[None], top_k=top_k)
    return matches, 1000 * (time.perf_counter() - begun)


def _truth(
    records: Iterable[IdentityRecord], probes: Vector, answers: list[list[Match]], top_k: int
) -> tuple[int, NDArray[np.float64], list[list[float]]]:
    """How many identities there are; for each probe the largest similarities, falling; and of each
    of its answers the true one, of an identity that is given twice once."""
    unit = probes.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    asked: dict[str, list[tuple[int, int]]] = {}
    for probe, matches in enumerate(answers):
        for place, identity in enumerate(dict.fromkeys(match.identity for match in matches)):
            asked.setdefault(identity, []).append((probe, place))
    similar: list[dict[int, float]] = [{} for _ in answers]
    best = np.empty((len(unit), 0))
    identities = 0
    for block in batches_of(records, _ROWS):
        found = unit @ np.array([record.centroid for record in block], np.float64).T
        identities += len(block)
        best = -np.sort(-np.concatenate([best, found], axis=1), axis=1)[:, :top_k]
        for column, record in enumerate(block):
            for probe, place in asked.get(record.identity, ()):
                similar[probe][place] = float(found[probe, column])
    return identities, best, [[own[place] for place in sorted(own)] for own in similar]
