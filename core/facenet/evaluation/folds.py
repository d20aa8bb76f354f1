"""Accuracy over folds, as the protocol of Labeled Faces in the Wild has it."""

from __future__ import annotations

import numpy as np

from facenet.evaluation.bootstrap import Curves
from facenet.evaluation.pairs import Scores


def fold_accuracy(curves: Curves) -> Scores:
    """(B,): the mean over folds of the accuracy at the threshold that is best for all others.

    Genuine and impostor pairs are weighted equally within a fold, as in LFW, where each of the 10
    folds has 300 of both (Huang et al., Technical Report 07-49, University of Massachusetts,
    2007, restricted to View 2).
    """
    genuine, impostors = curves.genuine, curves.impostors
    others = _accuracy(
        genuine.sum(axis=0, keepdims=True) - genuine,
        impostors.sum(axis=0, keepdims=True) - impostors,
    )
    best = others.argmax(axis=1, keepdims=True)
    reached = np.take_along_axis(_accuracy(genuine, impostors), best, axis=1)
    mean: Scores = reached[:, 0].mean(axis=0)
    return mean


def _accuracy(genuine: Scores, impostors: Scores) -> Scores:
    """(F, K, B) accepted weights to balanced accuracies; the last threshold accepts everything."""
    tiny = np.finfo(np.float64).tiny
    tar = genuine / np.maximum(genuine[:, -1:], tiny)
    far = impostors / np.maximum(impostors[:, -1:], tiny)
    balanced: Scores = (tar + 1 - far) / 2
    return balanced
