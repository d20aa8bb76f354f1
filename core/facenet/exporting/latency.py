"""How long a call takes, for cases that are to be compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

ROUNDS = 15


def latencies(cases: Sequence[Callable[[], object]]) -> list[float]:
    """Median milliseconds of one call of each case; every round times all of them.

    Each is called once before it is timed, in every round: the threads of the library that ran
    before it have then come to rest.
    """
    samples: list[list[float]] = [[] for _ in cases]
    for _ in range(ROUNDS):
        for case, times in zip(cases, samples, strict=True):
            case()
            start = time.perf_counter()
            case()
            times.append(time.perf_counter() - start)
    return [1000 * statistics.median(times) for times in samples]
