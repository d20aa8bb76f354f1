"""SIGINT and SIGTERM: taken over for a while, and given back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)
"""What Ctrl-C sends, and whoever ends a process."""


@contextmanager
def handled(
    handler: Callable[[int, FrameType | None], object], *numbers: signal.Signals
) -> Iterator[None]:
    """Have a handler called for these signals, `STOPPING` when none is named; those from before are
    back when the context is left.

    Off the main thread, where Python allows no handlers, it changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers or STOPPING}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """What SIGINT and SIGTERM set, so that what is being done can be finished; the second of them
    does not wait.

    Off the main thread nothing sets it.
    """
    asked = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    with handled(ask):
        yield asked
