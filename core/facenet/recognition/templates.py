"""What stands for an identity, and which samples do not belong to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from facenet.stores import Samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facenet.types import Vector

FEWEST = 4
"""Samples from which some can be told to be unlike the rest."""
_SPREADS = 3.0
_TO_SIGMA = 1.4826
"""The standard deviation of a normal distribution, in median absolute deviations."""
_SMALLEST_GAP = 0.2


def outliers(samples: Samples) -> NDArray[np.bool_]:
    """(N,) bool: which samples are far less like the others than those are among each other.

    A sample is compared, by cosine, with the weighted mean of all others. It is an outlier where
    that lies more than three robust standard deviations (from the median absolute deviation), and
    more than 0.2, below the median of all. Of fewer than four samples none is one.
    """
    embeddings, weights = samples
    if len(embeddings) < FEWEST:
        return np.zeros(len(embeddings), bool)
    weighted = embeddings * weights[:, None].astype(np.float64)
    others = weighted.sum(axis=0) - weighted
    lengths = np.linalg.norm(others, axis=1)
    likeness = np.einsum("nd,nd->n", embeddings, others) / np.maximum(lengths, 1e-12)
    middle = np.median(likeness)
    spread = _TO_SIGMA * np.median(np.abs(likeness - middle))
    found: NDArray[np.bool_] = likeness < middle - max(_SPREADS * spread, _SMALLEST_GAP)
    return found


def robust_template(samples: Samples) -> Vector:
    """(D,) float32: the mean of the samples weighted by their quality, without outliers."""
    kept = ~outliers(samples)
    mean: NDArray[Any] = (samples.embeddings[kept] * samples.weights[kept, None]).sum(axis=0)
    return mean.astype(np.float32)
