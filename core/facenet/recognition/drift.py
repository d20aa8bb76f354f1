"""Whether recent answers are as similar as the faces were at calibration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np

from facenet.errors import RequestError
from facenet.evaluation import EDGES, Counts, Drift, drift
from facenet.recognition.recognizer import Recognizer

Operation = Literal["search", "verify"]
METRIC = "facenet_similarity"
"""The histogram of a service's answers, with the label `operation`."""


def drift_since_calibration(recognizer: Recognizer, operation: Operation, recent: Counts) -> Drift:
    """How what matched has drifted.

    Best matches of searches are compared with those of searches among the photos of the
    calibration, and verified pairs with its genuine pairs, both above the threshold that decides.
    What lies below is mostly of strangers, whose best match depends on how many are enrolled.
    Raises `RequestError` where the model's card does not know what to compare with.
    """
    known = recognizer.model.card.calibration
    spread = known.spread if known else None
    where = recognizer.config.checkpoint_path
    if spread is None:
        raise RequestError(
            f"{where}: its card has no histogram of a calibration: run `facenet calibrate` (again)"
        )
    if operation == "verify":
        return drift(spread.genuine, recent, above=recognizer.threshold()[0])
    if not spread.searches:
        raise RequestError(
            f"{where}: was calibrated on listed pairs, which tells nothing of searches: run "
            "`facenet calibrate --data FOLDER`"
        )
    threshold, _ = recognizer.threshold(gallery=recognizer.store.count)
    return drift(spread.searches, recent, above=threshold)


def counts_in(families: Iterable[Any]) -> dict[Operation, Counts]:
    """The similarities in a service's metrics, of those operations that had any.

    Raises `RequestError` for bins other than ours.
    """
    ends: dict[Operation, dict[float, float]] = {}
    for family in families:
        for sample in family.samples:
            if sample.name == f"{METRIC}_bucket":
                of_operation = ends.setdefault(sample.labels["operation"], {})
                of_operation[float(sample.labels["le"])] = sample.value
    counts = {operation: _counts(found) for operation, found in ends.items()}
    return {operation: found for operation, found in counts.items() if any(found)}


def _counts(ends: Mapping[float, float]) -> Counts:
    """From how many are at most as large as each end of a bin."""
    if sorted(ends) != [*EDGES, float("inf")]:
        raise RequestError(f"{METRIC}: has other bins; the service is of another facenet")
    cumulative = [ends[edge] for edge in (*EDGES[1:-1], float("inf"))]
    return tuple(np.diff(cumulative, prepend=0).astype(int).tolist())
