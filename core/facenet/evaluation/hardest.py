"""The pairs that a model has most trouble with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facenet.evaluation.pairs import NO_FACE, ScoredPairs

SHOWN = 8


@dataclass(frozen=True, slots=True)
class HardPair:
    """Two images, by index, and whether the threshold judges them wrongly; None without one."""

    first: int
    second: int
    similarity: float
    error: bool | None


def most_similar_strangers(pairs: ScoredPairs, threshold: float | None) -> list[HardPair]:
    """The impostor pairs of highest similarity, highest first: false accepts come first."""
    chosen = np.flatnonzero(~pairs.genuine & (pairs.similarity > NO_FACE))
    ranked = chosen[np.argsort(-pairs.similarity[chosen], kind="stable")][:SHOWN]
    return [
        HardPair(first, second, similarity, None if threshold is None else similarity >= threshold)
        for first, second, similarity in _rows(pairs, ranked)
    ]


def least_similar_images(pairs: ScoredPairs, threshold: float | None) -> list[HardPair]:
    """The genuine pairs of lowest similarity, lowest first: false rejects come first. Pairs in
    which no face was found are left out."""
    chosen = np.flatnonzero(pairs.genuine & (pairs.similarity > NO_FACE))
    ranked = chosen[np.argsort(pairs.similarity[chosen], kind="stable")][:SHOWN]
    return [
        HardPair(first, second, similarity, None if threshold is None else similarity < threshold)
        for first, second, similarity in _rows(pairs, ranked)
    ]


def _rows(pairs: ScoredPairs, chosen: np.ndarray) -> list[tuple[int, int, float]]:
    columns = (pairs.first, pairs.second, pairs.similarity)
    return list(zip(*(column[chosen].tolist() for column in columns), strict=True))
