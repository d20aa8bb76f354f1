"""A graph of FAISS over vectors: HNSW, with the vectors kept in one byte for each number."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import fasteners  # type: ignore[import-untyped]

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from facenet.types import Vector

LINKS = 32
"""Of a vector to others (M in Malkov and Yashunin, arXiv:1603.09320): more than the usual 16, since
embeddings have many dimensions."""
BUILD_WIDTH = 80
"""Candidates that are followed while a vector is added."""
SEARCH_WIDTH, SEARCH_SIZE = 100, 20_000
"""Candidates that are followed in a search of so many vectors; among more, more, by the fourth root
of their number. Of 1,000 probes among 100,000 x 512 a width of 100 missed two, one of 150 none."""
GROWTH = 4
"""The bytes are made for the range of the first vectors: with so many times more the graph is to be
built anew."""
TRAINED_ON = 100_000
CHUNK = 1000


class Graph:
    """HNSW over the first `size` vectors of a log; safe to share between threads."""

    def __init__(self, dim: int) -> None:
        kind, metric = _faiss().ScalarQuantizer.QT_8bit, _faiss().METRIC_INNER_PRODUCT
        self._index = _faiss().IndexHNSWSQ(dim, kind, LINKS, metric)
        self._index.hnsw.efConstruction = BUILD_WIDTH
        self._lock = fasteners.ReaderWriterLock()
        self._built = 0

    @classmethod
    def over(cls, vectors: Vector, stop: threading.Event) -> Graph | None:
        """Built from (N, D) unit vectors, on half of the processor; None when `stop` was set."""
        _faiss().omp_set_num_threads(max(1, (os.cpu_count() or 2) // 2))  # of this thread's calls
        graph = cls(vectors.shape[1])
        graph._index.train(vectors[:TRAINED_ON])
        for start in range(0, len(vectors), CHUNK):
            if stop.is_set():
                return None
            graph._index.add(vectors[start : start + CHUNK])
        graph._built = len(vectors)
        return graph

    @property
    def size(self) -> int:
        return int(self._index.ntotal)

    def outgrown(self, size: int) -> bool:
        return size > GROWTH * self._built

    def add(self, vectors: Vector) -> None:
        with self._lock.write_lock():
            self._index.add(vectors)

    def search(self, probes: Vector, count: int) -> list[NDArray[np.int64]]:
        """For each of (M, D) probes the places of more than `count` near ones, in no order."""
        fetched = min(2 * count + 20, self.size)
        wide = SEARCH_WIDTH * max(1.0, self.size / SEARCH_SIZE) ** 0.25
        width = _faiss().SearchParametersHNSW(efSearch=max(round(wide), 2 * fetched))
        with self._lock.read_lock():
            _, places = self._index.search(probes, fetched, params=width)
        return [row[row >= 0] for row in places]


def _faiss() -> Any:
    # Late, since small galleries need none; its types lag behind it.
    import faiss

    return faiss
