"""Identification: whose face is it? Closed-set figures over ranked gallery identities."""

from __future__ import annotations

from collections.abc import Sequence


def rank_k_accuracy(truth: Sequence[str], ranked: Sequence[Sequence[str]], k: int) -> float:
    """Share of probes whose true identity is among their first k ranked ones, in 0..1.

    `ranked` has one list of identities for each probe, most similar first.
    """
    hits = sum(identity in names[:k] for identity, names in zip(truth, ranked, strict=True))
    return hits / len(truth)
