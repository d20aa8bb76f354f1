"""What goes into the gallery, and what is held back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from facenet.recognition.cropping import Crop
from facenet.recognition.quality import Policy, Quality, Reason, quality_of, reasons_against
from facenet.recognition.templates import outliers
from facenet.types import Samples, Store

if TYPE_CHECKING:
    from facenet.types import Vector


def assess(
    store: Store, identity: str, crops: Sequence[Crop], embeddings: Vector, policy: Policy
) -> list[tuple[Quality, list[Reason]]]:
    """For each of N aligned faces with (N, D) embeddings: its quality, and why not to enrol it.

    A face that is unlike the rest of the identity's, enrolled and new, may be someone else's; for
    this at least four must be known.
    """
    qualities = [quality_of(crop) for crop in crops]
    reasons = [reasons_against(quality, policy) for quality in qualities]
    if policy != "off":
        for place in _strangers(store, identity, qualities, embeddings):
            reasons[place].append(
                Reason("possible_mix_up", f"the face is unlike the others of {identity!r}")
            )
    return list(zip(qualities, reasons, strict=True))


def _strangers(
    store: Store, identity: str, qualities: Sequence[Quality], embeddings: Vector
) -> Sequence[int]:
    held = store.samples(identity)
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit = embeddings / np.maximum(lengths, np.finfo(np.float32).tiny)
    weights = np.array([quality.weight for quality in qualities], np.float32)
    together = Samples(
        np.concatenate([held.embeddings, unit]), np.concatenate([held.weights, weights])
    )
    found: list[int] = np.flatnonzero(outliers(together)[len(held.weights) :]).tolist()
    return found
