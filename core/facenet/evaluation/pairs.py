"""Scored pairs of images: what verification is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating[Any]]
Indices = NDArray[np.integer[Any]]

NO_FACE = -1.0
"""The similarity of a pair in which a face was not found: the lowest that there is."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredPairs:
    """P pairs of N images.

    `similarity` is (P,) float in -1..1, `first` and `second` are (P,) indices of images,
    `identity` is (N,) int: who each image shows. `weight`, (P,) float, says how many pairs each
    one stands for, where they are a sample of more; `fold`, (P,) int, to which fold of a protocol
    each belongs.
    """

    similarity: Scores
    first: Indices
    second: Indices
    identity: Indices
    weight: Scores | None = None
    fold: Indices | None = None

    @property
    def genuine(self) -> NDArray[np.bool_]:
        """(P,) bool: whether a pair shows one person."""
        same: NDArray[np.bool_] = self.identity[self.first] == self.identity[self.second]
        return same

    def __len__(self) -> int:
        return len(self.similarity)

    def where(self, chosen: NDArray[np.bool_]) -> ScoredPairs:
        """The pairs of which (P,) bool `chosen` is true."""
        return ScoredPairs(
            self.similarity[chosen],
            self.first[chosen],
            self.second[chosen],
            self.identity,
            None if self.weight is None else self.weight[chosen],
            None if self.fold is None else self.fold[chosen],
        )
