"""Searches: Milvus names candidates, and they are compared once more, exactly.

Its order of equal templates is not that of names, and it knows no ``@>``: more are fetched than are
asked for, until none that was left out could belong to the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from facenet.gallery import contains
from facenet.stores import Match
from facenet_milvus import rows
from facenet_milvus.place import Place, Row
from facenet_milvus.schema import Gallery

if TYPE_CHECKING:
    from facenet.types import Vector

MOST = 16_384
"""What Milvus returns for a probe, at most."""
LARGEST_ANSWER, REST_OF_A_ROW = 32 * 2**20, 1024
"""Bytes: of all rows of a call, where Milvus allows 64 MiB; and of a row beside its template."""
SPARE, GROWTH, PROBES_AT_ONCE = 8, 8, 100
ROUNDING = 1e-5
"""How far Milvus's similarities, of float32, may be off."""
_KEY, _TEXT = re.compile("[A-Za-z_][A-Za-z0-9_]*"), re.compile(r'[^"\\\x00-\x1f]*')


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of each probe."""

    place: Place
    gallery: Gallery
    top_k: int
    least: float
    where: dict[str, Any]

    def answers(self, vectors: Vector) -> list[list[Match]]:
        """The matches of (M, D) probes of unit length."""
        answers: dict[int, list[Match]] = {}
        open_ = list(range(len(vectors)))
        most = min(MOST, LARGEST_ANSWER // (4 * self.gallery.dim + REST_OF_A_ROW))
        for limit in _limits(self.top_k + SPARE, most):
            at_once = min(PROBES_AT_ONCE, most // limit)
            for start in range(0, len(open_), at_once):
                some = open_[start : start + at_once]
                found = self._fetched(vectors[some], limit)
                for row, theirs in zip(some, found, strict=True):
                    matches = self._settled(vectors[row], theirs, limit)
                    if matches is not None:
                        answers[row] = matches
            open_ = [row for row in open_ if row not in answers]
            if not open_:
                break
        if open_:
            answers.update(zip(open_, self._compared(vectors[open_]), strict=True))
        return [answers[row] for row in range(len(vectors))]

    def _fetched(self, vectors: Vector, limit: int) -> list[list[Row]]:
        return self.place.search(
            self.gallery.identities,
            "centroid",
            vectors,
            limit,
            rows.RECORD,
            expression(self.where),
            self.gallery.search_parameters(limit),
        )

    def _settled(self, vector: Vector, found: Sequence[Row], limit: int) -> list[Match] | None:
        """The answer, None where someone who was not fetched could belong to it."""
        ranked = _ranked(vector, found)
        matches = self._wanted(ranked)
        if len(found) == limit:
            last = ranked[-1].similarity
            enough = len(matches) >= self.top_k
            worst = max(matches[self.top_k - 1].similarity, self.least) if enough else self.least
            if not worst > last + ROUNDING:
                return None
        return self._best(matches)

    def _compared(self, vectors: Vector) -> list[list[Match]]:
        """With every template, here: for more matches than Milvus returns."""
        best: list[list[Match]] = [[] for _ in vectors]
        narrowed = expression(self.where)
        for batch in self.place.scan(self.gallery.identities, rows.RECORD, narrowed):
            for row, vector in enumerate(vectors):
                matches = self._wanted(_ranked(vector, batch))
                best[row] = self._best(_ordered(best[row] + matches))
        return best

    def _wanted(self, matches: Sequence[Match]) -> list[Match]:
        return [match for match in matches if contains(match.metadata, self.where)]

    def _best(self, matches: Sequence[Match]) -> list[Match]:
        return [match for match in matches[: self.top_k] if match.similarity >= self.least]


def _limits(first: int, most: int) -> Iterator[int]:
    """How many are fetched of a probe, until its answer is known; none where the first are more
    than the most."""
    while first < most:
        yield first
        first *= GROWTH
        if first >= most:
            yield most


def _ranked(vector: Vector, found: Sequence[Row]) -> list[Match]:
    if not found:
        return []
    centroids = np.array([row["centroid"] for row in found], np.float64)
    # Not a matrix product: BLAS may round equal rows differently, and ties must stay ties.
    similarities = np.einsum("nd,d->n", centroids, vector.astype(np.float64)).clip(-1, 1)
    return _ordered(
        Match(row["name"], float(similarity), row["samples"], row["metadata"])
        for row, similarity in zip(found, similarities, strict=True)
    )


def _ordered(matches: Iterable[Match]) -> list[Match]:
    return sorted(matches, key=lambda match: (-match.similarity, match.identity))


def expression(where: dict[str, Any]) -> str:
    """A filter of Milvus that lets through all whose metadata contains `where`, and maybe more: of
    its plain texts and truth values."""
    parts = [
        f'metadata["{key}"] == {json.dumps(value, ensure_ascii=False)}'
        for key, value in where.items()
        if _KEY.fullmatch(key)
        and (isinstance(value, bool) or (isinstance(value, str) and _TEXT.fullmatch(value)))
    ]
    return " and ".join(parts)
