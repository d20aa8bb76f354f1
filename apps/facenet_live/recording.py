"""The annotated video."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import av

from facenet.errors import FacenetError

if TYPE_CHECKING:
    from facenet.types import Image

_CLOCK = Fraction(1, 90_000)
"""The tick of MPEG: all usual frame rates are whole numbers of it."""
_SPEED = "veryfast"
"""Of x264: half of the size of its fastest for the same picture, at a few milliseconds a frame."""


class Recording:
    """Writes H.264 in an MP4, each frame at the time that it had; a context.

    The file grows beside its place, and is finished and moved there when the context is left, also
    by an error. Without a frame there is no file. Raises `FacenetError` when it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.partial")
        self._container: Any = None

    def add(self, pixels: Image, seconds: float) -> None:
        """Append (H, W, 3) uint8 RGB pixels, at `seconds` into the video, later than the last.

        The first decides the size, which is even, as the format wants it; others are scaled to it.
        """
        try:
            if self._container is None:
                self._begin(*pixels.shape[1::-1])
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                self._stream.width, self._stream.height, self._stream.pix_fmt
            )
            frame.pts, frame.time_base = round(seconds / _CLOCK), _CLOCK
            self._container.mux(self._stream.encode(frame))
        except OSError as error:
            raise self._given_up(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._container is None:
            return
        try:
            self._container.mux(self._stream.encode())
            self._container.close()
            self._partial.replace(self._path)
        except OSError as error:
            raise self._given_up(error) from error

    def _begin(self, width: int, height: int) -> None:
        self._partial.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(self._partial, "w", format="mp4")
        self._stream = self._container.add_stream("libx264", options={"preset": _SPEED})
        self._stream.width, self._stream.height = (
            max(2, side // 2 * 2) for side in (width, height)
        )
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = _CLOCK

    def _given_up(self, error: OSError) -> FacenetError:
        with suppress(OSError):
            self._container.close()
        self._container = None
        self._partial.unlink(missing_ok=True)
        return FacenetError(f"{self._path}: cannot be written: {error.strerror}")
