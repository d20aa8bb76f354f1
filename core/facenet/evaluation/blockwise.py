"""More pairs than fit in memory, 200 million of 20,000 embeddings, computed in blocks, twice.

The first pass counts impostor pairs in narrow bins of similarity. Where neither a genuine pair
nor an operating point lies in a bin, its count is all that the figures need. The second pass looks
again at the other bins only, one similarity at a time, so that no figure is approximate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facenet.evaluation.pairs import NO_FACE, Indices, ScoredPairs, Scores
from facenet.evaluation.verification import (
    Verification,
    allowed_errors,
    from_counts,
)

BINS = 2**20
_EDGE = np.float32(1.001)
"""Similarities lie within it: lengths are 1 up to rounding."""
_ROWS, _COLUMNS = 1024, 4096

Mask = NDArray[np.bool_]
Found = tuple[Scores, Indices, Indices]
"""Pairs: their similarity, and the two rows that they are of."""


class BlockwisePairs:
    """All pairs of (N, D) float32 `embeddings` of unit length, with (N,) int `labels`; those of
    images that were not `seen`, (N,) bool, have the similarity `NO_FACE`."""

    def __init__(self, embeddings: Scores, labels: Indices, seen: Mask) -> None:
        # By identity, so that the genuine pairs lie beside the diagonal.
        self._order = np.argsort(labels, kind="stable")
        self._embeddings = np.ascontiguousarray(embeddings[self._order])
        self._labels = labels[self._order]
        self._unseen = ~seen[self._order]
        self._histogram, self._genuine = self._first_pass()
        self._impostors = int(self._histogram.sum())
        self._above = _counts_above(self._histogram)
        """For each bin, how many impostor pairs are in higher ones."""

    def _tiles(self) -> Iterator[tuple[Scores, int, int]]:
        """The upper triangle: similarities, index of their first row, of their first column."""
        for top in range(0, len(self._labels), _ROWS):
            rows = self._embeddings[top : top + _ROWS]
            for left in range(top, len(self._labels), _COLUMNS):
                tile = rows @ self._embeddings[left : left + _COLUMNS].T
                tile[self._unseen[top : top + _ROWS]] = NO_FACE
                tile[:, self._unseen[left : left + _COLUMNS]] = NO_FACE
                yield tile, top, left

    def _kinds(self, tile: Scores, top: int, left: int) -> tuple[Mask, Mask] | None:
        """Which are genuine and which are impostor pairs; None where all are impostor pairs."""
        rows = self._labels[top : top + tile.shape[0]]
        columns = self._labels[left : left + tile.shape[1]]
        if left > top and columns[0] > rows[-1]:
            return None
        once = np.arange(left, left + len(columns)) > np.arange(top, top + len(rows))[:, None]
        same = rows[:, None] == columns
        return once & same, once & ~same

    def _first_pass(self) -> tuple[Indices, Found]:
        """How many impostor pairs are in each bin, and the genuine pairs."""
        histogram = np.zeros(BINS, np.int64)
        genuine: list[Found] = []
        for tile, top, left in self._tiles():
            kinds = self._kinds(tile, top, left)
            if kinds is not None:
                genuine.append(_found(tile, kinds[0], top, left))
            impostors = tile if kinds is None else tile[kinds[1]]
            histogram += np.bincount(_bins(impostors).reshape(-1), minlength=BINS)
        return histogram, _joined(genuine)

    def verification(self, more_fars: Iterable[float] = ()) -> Verification:
        """The exact figures: the second pass."""
        scores, repeats = np.unique(self._genuine[0], return_counts=True)
        ranks = allowed_errors(self._impostors, more_fars)
        bin_of = {
            far: int(np.argmax(self._above <= rank))
            for far, rank in ranks.items()
            if rank is not None
        }
        is_open = np.zeros(BINS, bool)
        is_open[_bins(scores)] = True
        is_open[list(bin_of.values())] = True

        less, not_greater = (np.zeros(len(scores) + 1, np.int64) for _ in range(2))
        members = np.unique(list(bin_of.values()))
        inside: dict[int, list[Scores]] = {int(number): [] for number in members}
        for tile, top, left in self._tiles():
            kinds = self._kinds(tile, top, left)
            numbers = _bins(tile)
            looked_at = is_open[numbers]
            if kinds is not None:
                looked_at &= kinds[1]
            values, numbers = tile[looked_at], numbers[looked_at]
            place = np.searchsorted(scores, values)
            equal = scores[np.minimum(place, len(scores) - 1)] == values
            less += np.bincount(place, minlength=len(less))
            not_greater += np.bincount(place + equal, minlength=len(less))
            decisive = np.isin(numbers, members)
            values, numbers = values[decisive], numbers[decisive]
            for number, found in inside.items():
                found.append(values[numbers == number])

        first_refused = {
            far: None
            if rank is None
            else np.sort(np.concatenate(inside[bin_of[far]]))[::-1][rank - self._above[bin_of[far]]]
            for far, rank in ranks.items()
        }
        # Impostor pairs in higher bins that were not looked at, and those that were.
        closed = _counts_above(np.where(is_open, 0, self._histogram))[_bins(scores)]
        greater = closed + _counts_above(less)[:-1]
        not_less = closed + _counts_above(not_greater)[:-1]
        # Two points of the curve for each genuine score, highest first: just above it, and at it.
        falling, accepted = scores[::-1], np.cumsum(repeats[::-1])
        return from_counts(
            np.append(_alternate(np.nextafter(falling, np.float32(2)), falling), np.float32(-2)),
            np.append(_alternate(accepted - repeats[::-1], accepted), accepted[-1]),
            np.append(_alternate(greater[::-1], not_less[::-1]), self._impostors),
            first_refused,
        )

    def sample(self, most_pairs: int) -> ScoredPairs:
        """A weighted sample of the pairs, as `measure_all_pairs` describes it."""
        random = np.random.default_rng(0)
        chosen = np.arange(len(self._genuine[0]))
        if len(chosen) > most_pairs:
            chosen = random.choice(len(chosen), most_pairs, replace=False)
        similarity, first, second = self._genuine
        tail_bin = int(np.argmax(self._above <= most_pairs // 2))
        tail = self._impostors_from(tail_bin)
        bulk = self._random_impostors(random, most_pairs // 2, tail_bin)
        counts = [len(similarity), len(tail[0]), self._impostors - len(tail[0])]
        parts = [(similarity[chosen], first[chosen], second[chosen]), tail, bulk]
        weights = [
            np.full(len(part[0]), count / max(1, len(part[0])))
            for part, count in zip(parts, counts, strict=True)
        ]
        similarity, first, second = _joined(parts)
        return ScoredPairs(
            similarity,
            self._order[first],
            self._order[second],
            self._labels[np.argsort(self._order)],
            np.concatenate(weights),
        )

    def _impostors_from(self, lowest_bin: int) -> Found:
        """All impostor pairs in bins from `lowest_bin` on."""
        found = []
        for tile, top, left in self._tiles():
            kinds = self._kinds(tile, top, left)
            chosen = _bins(tile) >= lowest_bin
            found.append(_found(tile, chosen if kinds is None else chosen & kinds[1], top, left))
        return _joined(found)

    def _random_impostors(self, random: np.random.Generator, draws: int, tail_bin: int) -> Found:
        """Up to `draws` random impostor pairs in bins below `tail_bin`."""
        first, second = random.integers(0, len(self._labels), (2, draws))
        different = self._labels[first] != self._labels[second]
        first, second = first[different], second[different]
        similarity = np.concatenate(
            [
                np.einsum("nd,nd->n", self._embeddings[one], self._embeddings[other])
                for one, other in zip(
                    *(np.array_split(side, 1 + draws // _COLUMNS) for side in (first, second)),
                    strict=True,
                )
            ]
        )
        similarity[self._unseen[first] | self._unseen[second]] = NO_FACE
        below = _bins(similarity) < tail_bin
        return similarity[below], first[below], second[below]


def _bins(similarity: Scores) -> Indices:
    """The bin of each similarity; a higher one is never in a lower bin."""
    shifted = similarity + _EDGE
    shifted *= np.float32(BINS / (2 * _EDGE))
    return shifted.astype(np.int64)


def _found(tile: Scores, chosen: Mask, top: int, left: int) -> Found:
    row, column = np.nonzero(chosen)
    return tile[row, column], row + top, column + left


def _joined(parts: Sequence[Found]) -> Found:
    similarity, first, second = (np.concatenate(column) for column in zip(*parts, strict=True))
    return similarity, first, second


def _counts_above(counts: Indices) -> Indices:
    """For each place the sum of all later ones."""
    total: Indices = counts.sum() - np.cumsum(counts)
    return total


def _alternate(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """first[0], second[0], first[1], second[1], ..."""
    return np.stack([first, second], axis=1).reshape(-1)
