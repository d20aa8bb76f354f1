"""What Prometheus is told: requests, latencies, the queue, batches, decisions, similarities."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from facenet.evaluation import EDGES, Counts, Drift
from facenet.recognition.drift import METRIC, Operation, counts_in

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where several workers write what they count, by the name that the library reads."""
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)
Compare = Callable[[Operation, Counts], Drift | None]
"""How similarities differ from those at calibration; None where that is not known."""


class Metrics:
    """The metrics of one worker; those of all where they share a folder."""

    def __init__(self, compare: Compare = lambda *_: None) -> None:
        self._compare = compare
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "facenet_requests",
            "Requests that were answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "facenet_request_seconds",
            "From the head of a request to the end of its answer.",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self._queue = Gauge(
            "facenet_queue_requests",
            "Requests that are worked on or wait for it.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._batches = Histogram(
            "facenet_batch_images",
            "Images in one call of the detector or the network.",
            ["stage"],
            buckets=IMAGES,
            registry=registry,
        )
        self._decisions = Counter(
            "facenet_decisions",
            "Faces that were decided on; found: they match, or are of somebody who is enrolled.",
            ["operation", "found"],
            registry=registry,
        )
        self._similarities = Histogram(
            METRIC,
            "Of the two faces that were compared, or of the best match.",
            ["operation"],
            buckets=EDGES,
            registry=registry,
        )

    def waiting(self, requests: int) -> None:
        self._queue.set(requests)

    def requested(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batched(self, stage: str, images: int) -> None:
        self._batches.labels(stage).observe(images)

    def decided(self, operation: str, similarity: float | None, *, found: bool) -> None:
        self._decisions.labels(operation, str(found).lower()).inc()
        if similarity is not None:
            self._similarities.labels(operation).observe(similarity)

    def text(self) -> bytes:
        """In the format that Prometheus reads."""
        if SHARED_FOLDER not in os.environ:
            return self._latest(self._registry)
        for file in Path(os.environ[SHARED_FOLDER]).glob("gauge_live*_*.db"):
            worker = int(file.stem.rpartition("_")[2])
            if not _lives(worker):  # it was killed, and what waited in it waits no more
                mark_process_dead(worker)  # type: ignore[no-untyped-call]
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return self._latest(shared)

    def _latest(self, registry: CollectorRegistry) -> bytes:
        return generate_latest(_WithDrift(registry, self._compare))


class _WithDrift:
    """What a registry has collected, and how its similarities have drifted."""

    def __init__(self, registry: CollectorRegistry, compare: Compare) -> None:
        self._registry, self._compare = registry, compare

    def collect(self) -> Iterator[Metric]:
        families = list(self._registry.collect())
        yield from families
        index = GaugeMetricFamily(
            f"{METRIC}_psi",
            "Population stability index of what matched, against the calibration.",
            labels=["operation"],
        )
        by_chance = GaugeMetricFamily(
            f"{METRIC}_psi_by_chance",
            "What chance alone exceeds once in twenty times; above 0.1 the scores are too few.",
            labels=["operation"],
        )
        for operation, counts in counts_in(families).items():
            found = self._compare(operation, counts)
            if found is not None and found.psi is not None and found.by_chance is not None:
                index.add_metric([operation], found.psi)
                by_chance.add_metric([operation], found.by_chance)
        yield from (index, by_chance)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
