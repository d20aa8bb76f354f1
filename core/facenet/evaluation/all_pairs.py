"""Every pair of N embeddings: all figures exactly, in memory that does not grow with the pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facenet.errors import DataError
from facenet.evaluation.blockwise import BlockwisePairs
from facenet.evaluation.pairs import NO_FACE, Indices, ScoredPairs, Scores
from facenet.evaluation.verification import Verification, refuse_nonsense, verification

MOST_PAIRS = 2**20
"""Up to so many pairs are kept one by one; of more, the most similar ones and a random share."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Exact figures, and the pairs behind them: all, or a weighted sample of very many, which is
    drawn when it is first asked for."""

    verification: Verification
    source: ScoredPairs | BlockwisePairs = field(repr=False)
    most_pairs: int = MOST_PAIRS

    @cached_property
    def pairs(self) -> ScoredPairs:
        """The pairs by which intervals and histograms are made."""
        if isinstance(self.source, ScoredPairs):
            return self.source
        return self.source.sample(self.most_pairs)


def measure_pairs(pairs: ScoredPairs, *, more_fars: Iterable[float] = ()) -> Measured:
    """The figures of listed pairs; raises `DataError` as `verification` does."""
    return Measured(verification(pairs.similarity, pairs.genuine, more_fars=more_fars), pairs)


def measure_all_pairs(
    embeddings: Scores,
    identity: Sequence[int] | Indices,
    *,
    found: NDArray[np.bool_] | None = None,
    more_fars: Iterable[float] = (),
    most_pairs: int = MOST_PAIRS,
) -> Measured:
    """The figures of every pair of N embeddings, each pair once.

    `embeddings` is (N, D) float32 of unit length, `identity` (N,) int. Where `found`, (N,) bool, is
    false, no face was found: the pairs of that image count with the similarity `NO_FACE`. Of more
    than `most_pairs` impostor pairs, half that number of the most similar ones are kept and as many
    random others; of more genuine pairs, that many random ones. Raises `DataError` for NaN, for
    embeddings of another length, or when there is no genuine or no impostor pair.
    """
    labels = np.asarray(identity)
    seen = np.ones(len(labels), bool) if found is None else found
    vectors = np.asarray(embeddings, np.float32)
    if not seen.all():
        vectors = np.where(seen[:, None], vectors, np.float32(0))  # what stands there means nothing
    total = len(labels) * (len(labels) - 1) // 2
    genuine = sum(int(n) * (int(n) - 1) // 2 for n in np.unique(labels, return_counts=True)[1])
    refuse_nonsense(genuine, total - genuine, vectors)
    if total <= most_pairs:
        first, second = np.triu_indices(len(labels), k=1)
        similarity = (vectors @ vectors.T)[first, second]
        similarity[~(seen[first] & seen[second])] = NO_FACE
        return measure_pairs(ScoredPairs(similarity, first, second, labels), more_fars=more_fars)
    if not np.allclose(np.linalg.norm(vectors[seen], axis=1), 1, atol=1e-3):
        raise DataError("embeddings must have unit length")
    blocks = BlockwisePairs(vectors, labels, seen)
    return Measured(blocks.verification(more_fars), blocks, most_pairs)
