"""Searches: Milvus names candidates, and they are compared once more, exactly.

Its order of equal templates is not that of names, and it knows no ``@>``: more are fetched than are
asked for, until none that was left out could belong to the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from facenet.gallery import contains
from facenet.types import Match
from facenet_milvus import rows
from facenet_milvus.place import Place, Row
from facenet_milvus.schema import Gallery

if TYPE_CHECKING:
    from facenet.types import Vector

MOST = 16_384
"""What Milvus returns for a probe, at most."""
SPARE = 8
GROWTH = 8
PROBES_AT_ONCE = 100
ROUNDING = 1e-5
"""How far Milvus's similarities, of float32, may be off."""
_KEY, _TEXT = re.compile("[A-Za-z_][A-Za-z0-9_]*"), re.compile(r'[^"\\\x00-\x1f]*')


def search(
    place: Place,
    gallery: Gallery,
    vectors: Vector,
    top_k: int,
    min_similarity: float,
    where: dict[str, Any],
) -> list[list[Match]]:
    """The matches of (M, D) probes of unit length."""
    answers: list[list[Match]] = []
    for start in range(0, len(vectors), PROBES_AT_ONCE):
        some = vectors[start : start + PROBES_AT_ONCE]
        answers += _search(place, gallery, some, top_k, min_similarity, where)
    return answers


def _search(
    place: Place,
    gallery: Gallery,
    vectors: Vector,
    top_k: int,
    least: float,
    where: dict[str, Any],
) -> list[list[Match]]:
    answers: dict[int, list[Match]] = {}
    narrowed, limit = expression(where), top_k + SPARE
    while limit <= MOST and len(answers) < len(vectors):
        open_ = [row for row in range(len(vectors)) if row not in answers]
        found = place.search(
            gallery.identities, "centroid", vectors[open_], limit, rows.RECORD, narrowed
        )
        for row, theirs in zip(open_, found, strict=True):
            ranked = _ranked(vectors[row], theirs)
            matches = [match for match in ranked if contains(match.metadata, where)]
            last = ranked[-1].similarity if ranked else -1.0
            enough = len(matches) >= top_k and matches[top_k - 1].similarity > last + ROUNDING
            if len(theirs) < limit or enough or last < least - ROUNDING:
                answers[row] = _best(matches, top_k, least)
        limit = limit * GROWTH if limit == MOST else min(limit * GROWTH, MOST)
    rest = [row for row in range(len(vectors)) if row not in answers]
    if rest:
        exact = _compared(place, gallery, vectors[rest], top_k, least, where)
        answers.update(zip(rest, exact, strict=True))
    return [answers[row] for row in range(len(vectors))]


def _compared(
    place: Place,
    gallery: Gallery,
    vectors: Vector,
    top_k: int,
    least: float,
    where: dict[str, Any],
) -> list[list[Match]]:
    """With every template, here: for more matches than Milvus returns."""
    best: list[list[Match]] = [[] for _ in vectors]
    for batch in place.scan(gallery.identities, rows.RECORD, expression(where)):
        some = [row for row in batch if contains(row["metadata"], where)]
        for row, vector in enumerate(vectors):
            best[row] = _best(_ordered(best[row] + _ranked(vector, some)), top_k, least)
    return best


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


def _best(matches: Sequence[Match], top_k: int, least: float) -> list[Match]:
    return [match for match in matches[:top_k] if match.similarity >= least]


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
