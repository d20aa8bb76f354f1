"""How it goes: speed, and what fails for a while."""

from __future__ import annotations

import statistics
import time
from collections import deque

import click

from facenet_live.events import EventLog
from facenet_live.feed import Frame

_RECENT, _REMEMBERED = 30, 1000
"""Frames whose speed, and whose latency, is shown."""


class Meter:
    """How many frames passed, how fast, and how old each was by then."""

    def __init__(self) -> None:
        self.frames = 0
        self._first = self._last = 0.0
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self._ages: deque[float] = deque(maxlen=_REMEMBERED)

    def passed(self, frame: Frame) -> None:
        """A frame was shown, or recorded."""
        self._last = time.monotonic()
        self._first = self._first or self._last
        self.frames += 1
        self._recent.append(self._last)
        self._ages.append(self._last - frame.captured)

    @property
    def rate(self) -> float:
        """Frames per second of late."""
        return _rate(len(self._recent), self._last - self._recent[0]) if self._recent else 0.0

    @property
    def mean_rate(self) -> float:
        """Frames per second since the first."""
        return _rate(self.frames, self._last - self._first)

    @property
    def latency(self) -> float:
        """Milliseconds from the arrival of a frame until it passed: the median of late."""
        return 1000 * statistics.median(self._ages) if self._ages else 0.0


def _rate(frames: int, seconds: float) -> float:
    """Frames per second, from the first of some frames to the last."""
    return (frames - 1) / seconds if seconds else 0.0


class Outage:
    """Something that may fail for a while, such as the stream: said once when it does, and once
    when it works again, on standard error and in the log as `<what>_lost` and `<what>_back`."""

    def __init__(self, what: str, log: EventLog) -> None:
        self._what = what
        self._log = log
        self._lost = False

    def check(self, reason: str | None, frame: Frame) -> None:
        """`reason` is why it does not work at this frame; None: it works."""
        if (reason is not None) == self._lost:
            return
        self._lost = reason is not None
        event = f"{self._what}_{'lost' if self._lost else 'back'}"
        self._log.add(event, frame.number, frame.seconds, **({"reason": reason} if reason else {}))
        click.echo(reason or f"the {self._what} is back", err=True)
