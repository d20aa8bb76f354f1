"""What Prometheus is told: requests, latencies, the queue, batches, decisions, similarities."""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where several workers write what they count, by the name that the library reads."""
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)
SIMILARITIES = tuple(round(-1 + step / 10, 1) for step in range(21))


class Metrics:
    """The metrics of one worker; those of all where they share a folder."""

    def __init__(self) -> None:
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
            "facenet_similarity",
            "Of the two faces that were compared, or of the best match.",
            ["operation"],
            buckets=SIMILARITIES,
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
            return generate_latest(self._registry)
        for file in Path(os.environ[SHARED_FOLDER]).glob("gauge_live*_*.db"):
            worker = int(file.stem.rpartition("_")[2])
            if not _lives(worker):  # it was killed, and what waited in it waits no more
                mark_process_dead(worker)  # type: ignore[no-untyped-call]
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
