"""Measuring: arrays in, figures out. Knows no model and no store."""

from facenet.evaluation.all_pairs import Measured, measure_all_pairs, measure_pairs
from facenet.evaluation.estimate import Estimate
from facenet.evaluation.identification import (
    Identification,
    identification,
    rank_k_accuracy,
    templates_of,
)
from facenet.evaluation.pairs import NO_FACE, ScoredPairs
from facenet.evaluation.summary import Summary, summarize, tar_change
from facenet.evaluation.verification import FARS, Verification, pairs_needed, verification

__all__ = [
    "FARS",
    "NO_FACE",
    "Estimate",
    "Identification",
    "Measured",
    "ScoredPairs",
    "Summary",
    "Verification",
    "identification",
    "measure_all_pairs",
    "measure_pairs",
    "pairs_needed",
    "rank_k_accuracy",
    "summarize",
    "tar_change",
    "templates_of",
    "verification",
]
