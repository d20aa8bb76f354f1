"""Timing that a noisy machine disturbs evenly."""

from __future__ import annotations

import statistics
import timeit
from collections.abc import Callable, Mapping

SHORTEST_SAMPLE = 0.02
"""Seconds that a sample lasts at least; shorter work is repeated within it."""


def interleaved_medians(
    cases: Mapping[str, Callable[[], object]], *, rounds: int = 7
) -> dict[str, float]:
    """Median seconds of one call of each case.

    Every round times all cases one after the other. What is compared must be timed in the same
    run: figures of two runs were taken on two machines.
    """
    timers = {name: timeit.Timer(case) for name, case in cases.items()}
    calls = {name: _calls_per_sample(timer) for name, timer in timers.items()}
    samples: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, timer in timers.items():
            samples[name].append(timer.timeit(calls[name]) / calls[name])
    return {name: statistics.median(values) for name, values in samples.items()}


def _calls_per_sample(timer: timeit.Timer) -> int:
    timer.timeit(1)  # fills caches
    return max(1, round(SHORTEST_SAMPLE / timer.timeit(1)))
