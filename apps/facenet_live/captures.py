"""Where pictures come from: a camera, a video file, or the address of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import av
import cv2
import numpy as np

from facenet.errors import FrontendError

if TYPE_CHECKING:
    from facenet.types import Image

OPENING, STALLED = 10.0, 3.0
"""Seconds that a stream gets to begin, and seconds without a picture after which it is lost."""
_TEXT = "tty"
"""The format in which FFmpeg would make a picture of any text file."""
_USUAL_RATE = 25
"""Frames per second of a file that does not say."""
_CHOICES = "--camera takes the number of a camera, a video file, or the address of a stream"

Picture = tuple["Image", float | None]
"""(H, W, 3) uint8 RGB pixels, upright, and when they are in a video file: seconds, rising from 0;
None in what is live."""


class Capture(Protocol):
    """What gives pictures.

    `name` is how messages call it. `live`: pictures come at their own time, and may cease for a
    while. `length` is how many there are, where that is known.
    """

    name: str
    live: bool
    length: int | None

    def pictures(self) -> Iterator[Picture]:
        """The pictures until the end; raises `FrontendError` when they cease for a reason."""

    def close(self) -> None:
        """Release the camera, file or connection."""


def open_capture(source: str) -> Capture:
    """Open a camera by its number, a video file or an address.

    Raises `FrontendError` naming it and what is wrong.
    """
    return Camera(int(source)) if source.isdecimal() else Video(source)


class Camera:
    """A camera of this machine."""

    live = True
    length: int | None = None

    def __init__(self, number: int) -> None:
        self.name = f"camera {number}"
        # OpenCV would report each failure on standard error too.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        self._camera = cv2.VideoCapture(number)
        if not self._camera.isOpened():
            raise FrontendError(
                f"{self.name}: there is none, or another program has it; {_CHOICES}"
            )

    def pictures(self) -> Iterator[Picture]:
        while True:
            came, pixels = self._camera.read()
            if not came:
                raise FrontendError(f"{self.name}: gives no picture any more; is it connected?")
            yield np.ascontiguousarray(pixels[:, :, ::-1]), None

    def close(self) -> None:
        self._camera.release()


class Video:
    """A video file, or what an address sends: live, unless it says how long it is."""

    def __init__(self, source: str) -> None:
        self._remote = "://" in source
        self.name = _without_password(source) if self._remote else source
        options = {"rtsp_flags": "prefer_tcp"} if self._remote else {}
        limits = (OPENING, STALLED) if self._remote else None
        try:
            self._container = av.open(source, options=options, timeout=limits)
        except (av.FFmpegError, OSError) as error:
            raise FrontendError(f"{self.name}: {self._reason(error)}; {_CHOICES}") from error
        streams = self._container.streams.video
        if not streams or self._container.format.name == _TEXT:
            self._container.close()
            raise FrontendError(f"{self.name}: is not a video; {_CHOICES}")
        self._stream = streams[0]
        self.live = self._remote and self._container.duration is None
        self.length = self._stream.frames or None
        # Decoding several frames side by side holds each back until the next have come.
        self._stream.thread_type = "SLICE" if self.live else "AUTO"

    def pictures(self) -> Iterator[Picture]:
        clock = _Clock(float(self._stream.average_rate or _USUAL_RATE))
        try:
            for packet in self._container.demux(self._stream):
                with suppress(av.InvalidDataError):  # what was damaged on its way is left out
                    for frame in packet.decode():
                        yield _upright(frame), None if self.live else clock.time(frame.time)
        except (av.FFmpegError, OSError) as error:
            raise FrontendError(f"{self.name}: {self._reason(error)}") from error

    def close(self) -> None:
        self._container.close()

    def _reason(self, error: Exception) -> str:
        if isinstance(error, av.InvalidDataError):
            return "is not a video"
        if isinstance(error, av.ExitError):
            return "sends nothing"
        reason = getattr(error, "strerror", None) or str(error)
        verb = "reached" if self._remote else "read"
        return f"cannot be {verb}: {reason.lower()}"


class _Clock:
    """The times of a file's frames, rising from 0 also where the file has none or begins anew."""

    def __init__(self, rate: float) -> None:
        self._step = 1 / rate
        self._last: float | None = None
        self._start = 0.0

    def time(self, given: float | None) -> float:
        if self._last is None:
            self._start, self._last = given or 0.0, 0.0
        elif given is not None and given - self._start > self._last:
            self._last = given - self._start
        else:
            self._last += self._step
            self._start = self._start if given is None else given - self._last
        return self._last


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _upright(frame: av.VideoFrame) -> Image:
    turned = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
    return np.ascontiguousarray(turned)
