"""The index in memory: the same answers as a comparison with all vectors, whatever was changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("faiss", reason="needs facenet-kit[pgvector]")

from facenet.testing.galleries import unit
from facenet_pgvector.nearest import NearestIndex

if TYPE_CHECKING:
    from facenet.types import Vector

DIM = 16


class Gallery:
    """An index and, beside it, what it should hold."""

    def __init__(self, few: int, seed: int = 0) -> None:
        self.index: NearestIndex[int] = NearestIndex(DIM, few)
        self.held: dict[int, Vector] = {}
        self.random = np.random.default_rng(seed)

    def put(self, numbers: list[int]) -> None:
        vectors = self.vectors(len(numbers))
        self.index.put(numbers, vectors, numbers)
        self.held.update(zip(numbers, vectors, strict=True))

    def drop(self, numbers: list[int]) -> None:
        self.index.drop(numbers)
        for number in numbers:
            self.held.pop(number, None)

    def vectors(self, count: int) -> Vector:
        return unit(self.random.standard_normal((count, DIM)))

    def check(self, count: int = 5) -> None:
        probes = self.vectors(7)
        numbers, vectors = list(self.held), np.array(list(self.held.values())).reshape(-1, DIM)
        truth = np.einsum("md,nd->mn", probes.astype(np.float64), vectors.astype(np.float64))
        for answer, similarities in zip(self.index.search(probes, count), truth, strict=True):
            best = np.argsort(-similarities)[:count]
            assert [number for number, _ in answer] == [numbers[row] for row in best]
            np.testing.assert_allclose(
                [similarity for _, similarity in answer], similarities[best], atol=1e-12
            )


@pytest.mark.parametrize("few", [10**9, 0], ids=["scan", "graph"])
def test_answers_stay_right_through_changes(few: int) -> None:
    gallery = Gallery(few)
    gallery.check()
    gallery.put(list(range(3)))
    gallery.check()
    for step in range(30):
        numbers = gallery.random.choice(600, 40, replace=False).tolist()
        gallery.put(numbers[:30])
        gallery.drop(numbers[30:])
        gallery.check()
        if step % 10 == 9:
            gallery.index.wait()
            gallery.check()
    assert len(gallery.index) == len(gallery.held)
    gallery.drop(list(gallery.held)[4:])
    gallery.check()
    gallery.index.close()


@pytest.mark.parametrize("few", [10**9, 0], ids=["scan", "graph"])
def test_all_that_tie_with_the_last_are_answered(few: int) -> None:
    index: NearestIndex[str] = NearestIndex(DIM, few)
    same, other = np.eye(DIM, dtype=np.float32)[:2]
    index.put(range(300), np.array([same] * 200 + [other] * 100), ["same"] * 200 + ["other"] * 100)
    index.wait()
    [answer] = index.search(same[np.newaxis], 3)
    assert answer == [("same", 1.0)] * 200
    index.close()


def test_a_graph_finds_more_than_it_was_asked_for_when_many_have_changed() -> None:
    gallery = Gallery(few=0)
    gallery.put(list(range(500)))
    gallery.index.wait()
    probe = gallery.held[0][np.newaxis]
    order = np.argsort([-float(vector @ probe[0]) for vector in gallery.held.values()])
    gallery.drop(order[:80].tolist())
    [answer] = gallery.index.search(probe, 5)
    assert [number for number, _ in answer] == order[80:85].tolist()
    gallery.index.close()


def test_searches_go_on_while_vectors_are_added() -> None:
    """Each vector is found from the moment it was added, whatever the other thread does."""
    gallery = Gallery(few=0)
    for start in range(0, 2000, 100):
        gallery.put(list(range(start, start + 100)))
        newest = np.array([gallery.held[number] for number in range(start, start + 100)])
        found = [answer[0][0] for answer in gallery.index.search(newest, 1)]
        assert found == list(range(start, start + 100))
    gallery.index.close()
