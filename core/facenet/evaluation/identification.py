"""Identification: whose face is it? Figures of searches in a gallery of templates.

A mated search is of someone enrolled, a non-mated one of someone who is not. FPIR is the share of
non-mated searches that return anyone at all, FNIR the share of mated ones that do not return the
right person first at or above the threshold (ISO/IEC 19795-1 calls them so).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from facenet.errors import DataError
from facenet.evaluation.bootstrap import REPLICATES
from facenet.evaluation.estimate import Estimate
from facenet.evaluation.intervals import share_interval
from facenet.evaluation.pairs import NO_FACE, Indices, Scores
from facenet.evaluation.verification import pairs_needed

RANKS = (1, 5)
FPIRS = (1e-1, 1e-2, 1e-3)
_MOST_RANKS = 20
_AT_ONCE = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Identification:
    """Figures of P probes against a gallery of G templates.

    `figures` has rank_<k> and fnir_at_fpir_<share>. `hits` is (K,): the share of mated searches
    with the right person among the first 1..K. `fpir` and `fnir` are a curve over falling
    `thresholds`. `open_set` says which searches were non-mated.
    """

    mated: int
    non_mated: int
    gallery: int
    figures: dict[str, Estimate]
    open_set: str
    hits: Scores = field(repr=False)
    fpir: Scores = field(repr=False)
    fnir: Scores = field(repr=False)
    thresholds: Scores = field(repr=False)


def rank_k_accuracy(truth: Sequence[str], ranked: Sequence[Sequence[str]], k: int) -> float:
    """Share of probes whose true identity is among their first k ranked ones, in 0..1.

    `ranked` has one list of identities for each probe, most similar first.
    """
    hits = sum(identity in names[:k] for identity, names in zip(truth, ranked, strict=True))
    return hits / len(truth)


def templates_of(embeddings: Scores, identity: Indices) -> tuple[Scores, Indices]:
    """One template for each identity, (G, D) of unit length, and the (G,) identities.

    A template is the direction of the sum of its images' embeddings, as stores have it.
    """
    people, place = np.unique(identity, return_inverse=True)
    sums = np.zeros((len(people), embeddings.shape[1]))
    np.add.at(sums, place, embeddings)
    lengths = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
    return (sums / lengths).astype(np.float32), people


def identification(
    templates: Scores,
    people: Indices,
    probes: Scores,
    truth: Indices,
    *,
    unseen: Indices | None = None,
    count: int = REPLICATES,
) -> Identification:
    """Search P probes, (P, D) of unit length showing (P,) `truth`, among (G, D) templates of
    (G,) `people`.

    `unseen` holds the identity of each further probe in which no face was found: those searches
    return no one. Where every probe's person is enrolled, each is searched once more with that
    person's template left out: these are then the non-mated searches. Intervals come from a
    bootstrap over the probes' people; the gallery stays. Raises `DataError` when no probe's person
    is enrolled.
    """
    rank, own, other = _search(templates, people, probes, truth)
    lost = np.zeros(0, np.int64) if unseen is None else np.asarray(unseen)
    truth = np.concatenate([truth, lost])
    rank = np.concatenate([rank, np.full(len(lost), len(people))])
    own, other = (np.concatenate([x, np.full(len(lost), NO_FACE)]) for x in (own, other))
    enrolled = np.isin(truth, people)
    if not enrolled.any():
        raise DataError("no probe is of a person in the gallery")
    if enrolled.all():
        strangers, open_set = np.ones(len(truth), bool), "each probe with its own person left out"
    else:
        strangers, open_set = ~enrolled, "probes of people who are not in the gallery"
    returned = np.where(rank == 0, own, NO_FACE)[enrolled]
    foreign = other[strangers]

    numbers = _draws(truth, count)
    mated, outside = numbers[enrolled], numbers[strangers]
    people_count = len(np.unique(truth[enrolled]))

    def share(value: float, samples: Scores, trials: int, people: int) -> Estimate:
        low, high = share_interval(value, samples, identities=people, trials=trials)
        return Estimate(value, low, high, trials)

    figures = {}
    for k in RANKS:
        hit = rank[enrolled] < k
        figures[f"rank_{k}"] = share(float(hit.mean()), _means(hit, mated), len(hit), people_count)
    for fpir in FPIRS:
        name = f"fnir_at_fpir_{fpir:g}"
        if len(foreign) < pairs_needed(fpir):
            figures[name] = Estimate(None, n=len(returned), needs=pairs_needed(fpir))
            continue
        value = float((returned <= _refused(foreign, np.ones((len(foreign), 1)), fpir)).mean())
        thresholds = _refused(foreign, outside, fpir)
        samples = _means(returned[:, None] <= thresholds, mated)
        figures[name] = share(value, samples, len(returned), people_count)

    thresholds = np.unique(np.concatenate([foreign, returned]))[::-1]
    return Identification(
        mated=len(returned),
        non_mated=len(foreign),
        gallery=len(people),
        figures=figures,
        open_set=open_set,
        hits=np.array(
            [(rank[enrolled] < k).mean() for k in range(1, min(len(people), _MOST_RANKS) + 1)]
        ),
        fpir=_share_at_least(foreign, thresholds),
        fnir=1 - _share_at_least(returned, thresholds),
        thresholds=thresholds,
    )


def _search(
    templates: Scores, people: Indices, probes: Scores, truth: Indices
) -> tuple[Indices, Scores, Scores]:
    """For each probe: how many others rank before its own person (G when not enrolled), the
    similarity to its own template, and the highest to any other."""
    place = {int(person): index for index, person in enumerate(people)}
    column = np.array([place.get(int(person), -1) for person in truth], np.int64)
    rank = np.full(len(probes), len(people))
    own, other = (np.full(len(probes), NO_FACE, np.float32) for _ in range(2))
    for start in range(0, len(probes), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        similarity = probes[rows] @ templates.T
        inside = np.flatnonzero(column[rows] >= 0)
        columns = column[rows][inside]
        mine = similarity[inside, columns]
        own[start + inside] = mine
        rank[start + inside] = (similarity[inside] > mine[:, None]).sum(axis=1)
        similarity[inside, columns] = NO_FACE
        other[rows] = similarity.max(axis=1)
    return rank, own, other


def _draws(truth: Indices, count: int) -> Scores:
    """(P, B): how often each probe counts in a replicate, the same for all of one person."""
    people, place = np.unique(truth, return_inverse=True)
    random = np.random.default_rng(0)
    drawn: Scores = random.poisson(1.0, (len(people), count)).astype(np.float32)[place]
    return drawn


def _means(hit: np.ndarray, numbers: Scores) -> Scores:
    """(B,): weighted shares of (P,) or (P, B) hits; NaN where a replicate drew none of them."""
    weighted = hit[:, None] * numbers if hit.ndim == 1 else hit * numbers
    drawn = numbers.sum(axis=0)
    mean: Scores = weighted.sum(axis=0) / np.where(drawn > 0, drawn, np.nan)
    return mean


def _refused(foreign: Scores, numbers: Scores, fpir: float) -> Scores:
    """(B,): the highest similarity of a non-mated search that must not be accepted at a FPIR."""
    order = np.argsort(-foreign, kind="stable")
    accepted = np.cumsum(numbers[order], axis=0)
    allowed = fpir * accepted[-1] * (1 + 1e-9)
    first = np.minimum((accepted <= allowed).sum(axis=0), len(foreign) - 1)
    refused: Scores = foreign[order][first]
    return refused


def _share_at_least(values: Scores, thresholds: Scores) -> Scores:
    ranked = np.sort(values)
    share: Scores = 1 - np.searchsorted(ranked, thresholds, side="left") / len(ranked)
    return share
