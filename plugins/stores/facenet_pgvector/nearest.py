"""The nearest of many vectors, in memory: an exact scan of a few, a graph of FAISS for more.

The vectors lie in a log that only grows: a vector that changes is added once more, and its former
place is dead. So whoever reads needs no lock on it, and a graph over its first places stays right;
what came later is scanned. A thread of its own adds to the graph, and packs the log anew when much
of it is dead.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from facenet_pgvector.graph import Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facenet.types import Vector

Entry = TypeVar("Entry")

FEW_NUMBERS = 2_000_000
"""A scan of so many (places times dimension) takes about as long as a search of the graph."""
DEAD_SHARE = 0.25
"""Of the places; with more the log is packed."""
BATCH_NUMBERS = 16_000_000
"""At most so many similarities are in memory at once."""
ROWS_AT_ONCE = 32
"""Are added to a graph while it is locked: for some ten milliseconds."""


@dataclass(slots=True)
class _Log(Generic[Entry]):
    """`size` places: (capacity, D) unit vectors, which are dead, and what is kept with each."""

    vectors: Vector
    dead: NDArray[np.bool_]
    entries: list[Entry] = field(default_factory=list)
    place_of: dict[int, int] = field(default_factory=dict)
    size: int = 0

    @classmethod
    def empty(cls, dim: int, capacity: int = 1024) -> _Log[Entry]:
        return cls(np.empty((capacity, dim), np.float32), np.zeros(capacity, np.bool_))

    def append(self, numbers: Sequence[int], vectors: Vector, entries: Sequence[Entry]) -> None:
        """Each number once."""
        end = self.size + len(numbers)
        if end > len(self.vectors):  # Readers keep the former arrays.
            more = max(end, 2 * len(self.vectors)) - len(self.vectors)
            self.vectors = np.concatenate(
                [self.vectors, np.empty((more, self.vectors.shape[1]), np.float32)]
            )
            self.dead = np.concatenate([self.dead, np.zeros(more, np.bool_)])
        self.vectors[self.size : end] = vectors
        self.entries.extend(entries)
        self.remove(numbers)
        self.place_of.update(zip(numbers, range(self.size, end), strict=True))
        self.size = end

    def remove(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            place = self.place_of.pop(number, None)
            if place is not None:
                self.dead[place] = True

    def copied(self, place_of: Mapping[int, int]) -> _Log[Entry]:
        """These numbers alone."""
        numbers, places = list(place_of), list(place_of.values())
        log: _Log[Entry] = _Log.empty(self.vectors.shape[1], max(1024, len(places) * 5 // 4))
        log.append(numbers, self.vectors[places], [self.entries[place] for place in places])
        return log


class NearestIndex(Generic[Entry]):
    """Unit vectors by number, each with an entry; safe to share between threads.

    `few`: what a scan may cost before a graph is built, see `FEW_NUMBERS`.
    """

    def __init__(self, dim: int, few: int = FEW_NUMBERS) -> None:
        self._dim = dim
        self._few = few
        self._log: _Log[Entry] = _Log.empty(dim)
        self._graph: Graph | None = None
        self._change = threading.Lock()  # guards what is replaced and appended
        self._keeper: threading.Thread | None = None
        self._closing = threading.Event()

    def __len__(self) -> int:
        return len(self._log.place_of)

    def put(self, numbers: Sequence[int], vectors: Vector, entries: Sequence[Entry]) -> None:
        """Add (N, D) unit vectors, or replace those of these numbers."""
        with self._change:
            self._log.append(numbers, vectors, entries)
            self._tend()

    def drop(self, numbers: Iterable[int]) -> None:
        with self._change:
            self._log.remove(numbers)
            self._tend()

    def search(self, probes: Vector, count: int) -> list[list[tuple[Entry, float]]]:
        """For each of (M, D) unit vectors the `count` most similar, most similar first, and all
        that tie with the last of them; similarities are computed in float64."""
        with self._change:
            log, graph = self._log, self._graph
            scan = _Scan(log.vectors[: log.size], log.dead[: log.size])
            living, entries = len(log.place_of), log.entries
            covered = 0 if graph is None else graph.size
        count = min(count, living)
        if not count:
            return [[] for _ in probes]
        if graph is None:
            step = max(1, BATCH_NUMBERS // len(scan.vectors))
            answers = [
                answer
                for start in range(0, len(probes), step)
                for answer in scan.nearest(probes[start : start + step], count)
            ]
        else:
            answers = [
                scan.among(probe, near[near < covered], covered, count)
                or scan.nearest(probe[np.newaxis], count)[0]
                for probe, near in zip(probes, graph.search(probes, count), strict=True)
            ]
        return [
            [(entries[place], similarity) for place, similarity in answer] for answer in answers
        ]

    def wait(self) -> None:
        """Until nothing is left to do in the background."""
        while (keeper := self._keeper) is not None:
            keeper.join()

    def close(self) -> None:
        self._closing.set()
        self.wait()

    def _tend(self) -> None:
        """With the lock held: let a thread do what there is to do."""
        if self._keeper is None and self._work() is not None and not self._closing.is_set():
            self._keeper = threading.Thread(target=self._keep, name="facenet index", daemon=True)
            self._keeper.start()

    def _work(self) -> Callable[[], None] | None:
        """With the lock held: what there is to do."""
        log, graph = self._log, self._graph
        dead = log.size - len(log.place_of)
        if dead > max(DEAD_SHARE * log.size, ROWS_AT_ONCE):
            return self._pack
        if graph is None:
            return self._pack if len(log.place_of) * self._dim > self._few else None
        if graph.outgrown(log.size):
            return self._pack
        return self._extend if graph.size < log.size else None

    def _keep(self) -> None:
        while True:
            with self._change:
                work = None if self._closing.is_set() else self._work()
                if work is None:
                    self._keeper = None
                    return
            try:
                work()
            except BaseException:
                self._closing.set()  # Searches go on with what there is.
                self._keeper = None
                raise

    def _pack(self) -> None:
        """A log of the living, with a graph where they are many; searches go on meanwhile."""
        with self._change:
            former, size, places = self._log, self._log.size, dict(self._log.place_of)
        log, graph = former.copied(places), None
        if log.size * self._dim > self._few:
            graph = Graph.over(log.vectors[: log.size], self._closing)
            if graph is None:
                return
        with self._change:
            now = former.place_of
            log.remove([number for number in places if now.get(number) != places[number]])
            later = {number: place for number, place in now.items() if place >= size}
            log.append(
                list(later),
                former.vectors[list(later.values())],
                [former.entries[place] for place in later.values()],
            )
            self._log, self._graph = log, graph

    def _extend(self) -> None:
        with self._change:
            log, graph = self._log, self._graph
            assert graph is not None
            vectors = log.vectors[graph.size : min(log.size, graph.size + ROWS_AT_ONCE)]
        graph.add(vectors)


@dataclass(frozen=True, slots=True)
class _Scan:
    """(N, D) vectors of which some are dead, compared one by one."""

    vectors: Vector
    dead: NDArray[np.bool_]

    def nearest(self, probes: Vector, count: int) -> list[list[tuple[int, float]]]:
        similarities = probes @ self.vectors.T
        similarities[:, self.dead] = -np.inf
        return [
            self._best(probe, self._candidates(row, count), count)
            for probe, row in zip(probes, similarities, strict=True)
        ]

    def among(
        self, probe: Vector, near: NDArray[np.int64], after: int, count: int
    ) -> list[tuple[int, float]] | None:
        """The best of some places `near` and of all from `after` on; None when these may not hold
        the best: too many were dead, or all that remain tie with the last."""
        near = near[~self.dead[near]]
        later = self.vectors[after:] @ probe
        later[self.dead[after:]] = -np.inf
        places = np.concatenate([near, after + self._candidates(later, count)])
        if len(places) < count:
            return None
        best = self._best(probe, places, count)
        tied = len(near) > count and len(best) == len(places)
        return None if tied else best

    def _candidates(self, similarities: Vector, count: int) -> NDArray[np.int64]:
        """The places that may be among the best when the similarities are exact."""
        if len(similarities) > count:
            last = np.partition(similarities, -count)[-count]
            # Twice the bound on the rounding of a float32 product of unit vectors.
            slack = np.float32(2 * self.vectors.shape[1] * 2.0**-24)
        else:
            last, slack = np.float32(-2), np.float32(0)
        return np.flatnonzero(similarities >= max(last - slack, np.float32(-2)))

    def _best(
        self, probe: Vector, places: NDArray[np.int64], count: int
    ) -> list[tuple[int, float]]:
        # Not a matrix product: BLAS may round equal rows differently, and ties must stay ties.
        exact = np.einsum("nd,d->n", self.vectors[places].astype(np.float64), probe.astype(float))
        exact = exact.clip(-1, 1)
        order = np.argsort(-exact, kind="stable")
        kept = order[exact[order] >= exact[order[min(count, len(order)) - 1]]]
        return list(zip(places[kept].tolist(), exact[kept].tolist(), strict=True))


def size_in_bytes(vectors: int, dim: int) -> int:
    """About what an index takes: the vectors, a graph of them, and a name for each."""
    return vectors * (5 * dim + 4 * 2 * 32 + 400)
