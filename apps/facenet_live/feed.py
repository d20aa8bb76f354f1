"""Frames as they come, read in a thread of its own: the newest, or each of a video file."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Self

from facenet.errors import FacenetError, FrontendError
from facenet_live.captures import open_capture

if TYPE_CHECKING:
    from facenet.types import Image

READ_AHEAD = 4
"""Frames of a video file that wait to be worked on, where none is dropped."""
TICK = 0.1
"""Seconds after which whoever waits for a frame is told that none has come."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds between attempts to reach a lost source: twice as long after each."""
_CLOSING = 1.0
"""Seconds that a read in progress gets to finish when all ends."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """(H, W, 3) uint8 RGB `pixels`; which frame of the video they are, counted from 0 with those
    that were dropped; and when that is, in `seconds`: in a file, or since a camera was opened.

    `captured` is when it arrived, by the clock `time.monotonic`.
    """

    number: int
    seconds: float
    captured: float
    pixels: Image


class Feed:
    """Reads a source while its frames are worked on; a context.

    Of a live source, and of a file that is `paced` as in a player, a frame that was not taken in
    time is dropped for the next. Otherwise all frames of a file come, as fast as they are taken. A
    live source that was lost is tried again, for `reconnect` seconds.

    Raises `FrontendError` when the source cannot be opened.
    """

    def __init__(self, source: str, *, paced: bool, reconnect: float) -> None:
        self._source = source
        self._reconnect = reconnect
        self._capture = open_capture(source)
        self.name, self.live = self._capture.name, self._capture.live
        self.length = self._capture.length
        self._paced = paced and not self.live
        self.drops = paced or self.live
        self.dropped = 0
        self.silent_since: float | None = None
        """When a lost source gave its last picture, by the clock `time.monotonic`."""
        self._items: Queue[Frame | Exception | None] = Queue(1 if self.drops else READ_AHEAD)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="frames", daemon=True)
        self._opened = self._arrived = time.monotonic()
        self._number = 0

    def __iter__(self) -> Iterator[Frame | None]:
        """Frames, and None whenever none has come for a moment; until the source ends.

        Raises `FacenetError` when it ends because it was lost or is damaged.
        """
        while True:
            try:
                item = self._items.get(timeout=TICK)
            except Empty:
                yield None
                continue
            if isinstance(item, Exception):
                raise item
            if item is None:
                return
            yield item

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join(_CLOSING)

    def _run(self) -> None:
        end = None
        try:
            self._read()
        except Exception as error:  # for whoever takes the frames
            end = error
        finally:
            self._capture.close()
        self._hand_over(end)

    def _read(self) -> None:
        while True:
            reason = self._read_on()
            if self._closing.is_set():
                return
            if not self.live:
                if reason:
                    raise FacenetError(str(reason)) from reason
                if not self._number:
                    raise FrontendError(f"{self.name}: holds no picture that can be decoded")
                return
            self._open_again(reason)

    def _read_on(self) -> FrontendError | None:
        """Read until the source ends or fails; why it failed."""
        try:
            for pixels, seconds in self._capture.pictures():
                if self._closing.is_set():
                    break
                self._arrive(pixels, seconds)
        except FrontendError as error:
            return error
        return None

    def _open_again(self, reason: FrontendError | None) -> None:
        self.silent_since = self._arrived
        self._capture.close()
        pause = FIRST_PAUSE
        while time.monotonic() - self._arrived < self._reconnect:
            if self._closing.wait(pause):
                return
            try:
                self._capture = open_capture(self._source)
                return
            except FrontendError as error:
                reason = error
            pause = min(2 * pause, LONGEST_PAUSE)
        raise FacenetError(
            f"{reason or f'{self.name}: sends nothing more'}; given up after {self._reconnect:g} s "
            "(--reconnect)"
        )

    def _arrive(self, pixels: Image, seconds: float | None) -> None:
        if self._paced and seconds is not None:
            if not self._number:
                self._opened = time.monotonic()
            self._closing.wait(self._opened + seconds - time.monotonic())
        self._arrived, self.silent_since = time.monotonic(), None
        if seconds is None:
            seconds = self._arrived - self._opened
        frame = Frame(self._number, seconds, self._arrived, pixels)
        self._number += 1
        if self.drops:
            with suppress(Empty):
                self._items.get_nowait()
                self.dropped += 1
        self._hand_over(frame)

    def _hand_over(self, item: Frame | Exception | None) -> None:
        while not self._closing.is_set():
            with suppress(Full):
                self._items.put(item, timeout=TICK)
                return
