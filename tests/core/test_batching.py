"""Callers that share the calls of one batch function."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from facenet.recognition.batching import SharedBatches

WAIT = 30


class Doubling:
    """Doubles numbers; remembers its batches, and waits in the first one until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, numbers: list[int]) -> list[int]:
        self.batches.append(numbers)
        if len(self.batches) == 1:
            self.begun.set()
            assert self.go_on.wait(WAIT)
        if -1 in numbers:
            raise ValueError("a negative number")
        return [2 * number for number in numbers]


def meanwhile(
    shared: SharedBatches[int, int], double: Doubling, *requests: list[int]
) -> list[Callable[[], list[int]]]:
    """Ask while the first call is still going on; what gives each answer."""
    with ThreadPoolExecutor(len(requests) + 1) as pool:
        first = pool.submit(shared, [0])
        assert double.begun.wait(WAIT)
        futures = []
        for request in requests:
            futures.append(pool.submit(shared, request))
            while sum(map(len, requests[: len(futures)])) > len(shared._waiting):
                pass
        double.go_on.set()
        assert first.result(WAIT) == [0]
    return [future.result for future in futures]


def test_who_comes_during_a_call_is_served_by_the_next() -> None:
    double = Doubling()
    answers = meanwhile(SharedBatches(double, 8), double, [1], [2, 3], [4])
    assert [answer() for answer in answers] == [[2], [4, 6], [8]]
    assert double.batches == [[0], [1, 2, 3, 4]]


def test_a_batch_is_never_larger_than_allowed() -> None:
    double = Doubling()
    answers = meanwhile(SharedBatches(double, 2), double, [1], [2, 3], [4, 5])
    assert [answer() for answer in answers] == [[2], [4, 6], [8, 10]]
    assert double.batches == [[0], [1, 2], [3, 4], [5]]


def test_a_lone_caller_waits_for_no_one() -> None:
    double = Doubling()
    double.go_on.set()
    assert SharedBatches(double, 8)([5]) == [10]
    assert SharedBatches(double, 8)([]) == []


def test_one_callers_fault_is_not_anothers() -> None:
    double = Doubling()
    good, bad = meanwhile(SharedBatches(double, 8), double, [1], [-1])
    assert good() == [2]
    with pytest.raises(ValueError, match="a negative number"):
        bad()


def test_too_few_answers_are_an_error_and_not_waited_for() -> None:
    shared = SharedBatches(lambda numbers: numbers[1:], 8)
    with pytest.raises(ValueError, match="0 answers were given for 1 items"):
        shared([1, 2])


def test_an_interrupted_call_leaves_no_one_waiting() -> None:
    def interrupted(_numbers: list[int]) -> list[int]:
        raise KeyboardInterrupt

    shared = SharedBatches(interrupted, 8)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            shared([1])


def test_lanes_call_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=WAIT)

    def double(numbers: list[int]) -> list[int]:
        together.wait()
        return [2 * number for number in numbers]

    shared = SharedBatches(double, 1)
    with ThreadPoolExecutor(2) as shared.lanes:
        assert shared([1, 2, 3, 4]) == [2, 4, 6, 8]
        assert shared([]) == []
