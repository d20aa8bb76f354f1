"""Signals are taken over for a while, and given back."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from facenet.signals import handled, stopped_by_signals


def test_handlers_from_before_are_back_afterwards() -> None:
    came: list[int] = []

    def note(number: int, _frame: object) -> None:
        came.append(number)

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with handled(note):
        signal.raise_signal(signal.SIGTERM)
        with handled(signal.default_int_handler, signal.SIGTERM):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert came == [signal.SIGTERM, signal.SIGINT, signal.SIGTERM]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_first_signal_asks_and_the_second_does_not_wait() -> None:
    with stopped_by_signals() as asked:
        assert not asked.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert asked.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_off_the_main_thread_nothing_changes() -> None:
    def inside() -> bool:
        with stopped_by_signals() as asked:
            return asked.is_set()

    before = signal.getsignal(signal.SIGINT)
    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(inside).result()
    assert signal.getsignal(signal.SIGINT) is before
