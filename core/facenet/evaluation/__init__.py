"""Measuring: arrays in, figures out. Knows no model and no store."""

from facenet.evaluation.identification import rank_k_accuracy
from facenet.evaluation.verification import Verification, all_pairs, verification

__all__ = ["Verification", "all_pairs", "rank_k_accuracy", "verification"]
