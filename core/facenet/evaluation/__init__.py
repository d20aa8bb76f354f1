"""Measuring: arrays in, figures out. Knows no model and no store."""

from facenet.evaluation.all_pairs import Measured, measure_all_pairs, measure_pairs
from facenet.evaluation.drift import EDGES, Counts, Drift, drift, histogram, similarity_to_own
from facenet.evaluation.estimate import Estimate
from facenet.evaluation.identification import (
    Identification,
    identification,
    rank_k_accuracy,
    templates_of,
)
from facenet.evaluation.pairs import NO_FACE, ScoredPairs
from facenet.evaluation.pairs_file import PairsFile, read_pairs_file
from facenet.evaluation.probability import MapKind, fit_probability
from facenet.evaluation.protocols import (
    Embedded,
    Figures,
    IdentificationResult,
    VerificationResult,
    all_pairs_result,
    halves,
    identification_result,
    pairs_result,
)
from facenet.evaluation.slices import Slice, read_attributes, slices
from facenet.evaluation.summary import Summary, rates_at, summarize, tar_change
from facenet.evaluation.verification import FARS, Verification, pairs_needed, verification

__all__ = [
    "EDGES",
    "FARS",
    "NO_FACE",
    "Counts",
    "Drift",
    "Embedded",
    "Estimate",
    "Figures",
    "Identification",
    "IdentificationResult",
    "MapKind",
    "Measured",
    "PairsFile",
    "ScoredPairs",
    "Slice",
    "Summary",
    "Verification",
    "VerificationResult",
    "all_pairs_result",
    "drift",
    "fit_probability",
    "halves",
    "histogram",
    "identification",
    "identification_result",
    "measure_all_pairs",
    "measure_pairs",
    "pairs_needed",
    "pairs_result",
    "rank_k_accuracy",
    "rates_at",
    "read_attributes",
    "read_pairs_file",
    "similarity_to_own",
    "slices",
    "summarize",
    "tar_change",
    "templates_of",
    "verification",
]
