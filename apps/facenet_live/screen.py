"""The window."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Self

import cv2

from facenet.errors import FrontendError

if TYPE_CHECKING:
    from facenet.types import Image

_TRIAL = "import cv2; cv2.namedWindow('facenet')"
_QUIT_KEYS = (ord("q"), ord("Q"), 27)
"""27: Esc."""
_LARGEST = 1280, 720
"""Pixels that a window has at first, at most."""
_FONT, _TEXT_SCALE, _MARGIN = cv2.FONT_HERSHEY_SIMPLEX, 0.5, 6
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


class Screen:
    """A window with the newest frame; a context.

    Raises `FrontendError` where there is no screen.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        _check_screen()
        self._open = False
        self.closed = False
        """Whether its user closed it: by q, by Esc, or as any window."""

    def show(self, pixels: Image, caption: str) -> None:
        """Show (H, W, 3) uint8 RGB pixels with a line of text, and hear what the user wants."""
        frame = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        if not self._open:
            self._create(*pixels.shape[1::-1])
        (width, height), _ = cv2.getTextSize(caption, _FONT, _TEXT_SCALE, 1)
        cv2.rectangle(frame, (0, 0), (width + 2 * _MARGIN, height + 2 * _MARGIN), _BLACK, -1)
        cv2.putText(
            frame, caption, (_MARGIN, height + _MARGIN), _FONT, _TEXT_SCALE, _WHITE, 1, cv2.LINE_AA
        )
        cv2.imshow(self._title, frame)
        self.closed = self.closed or self._wants_out()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open:
            cv2.destroyAllWindows()
            cv2.waitKey(1)

    def _create(self, width: int, height: int) -> None:
        cv2.namedWindow(
            self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
        )
        scale = min(1, _LARGEST[0] / width, _LARGEST[1] / height)
        cv2.resizeWindow(self._title, round(width * scale), round(height * scale))
        self._open = True

    def _wants_out(self) -> bool:
        if cv2.waitKey(1) & 0xFF in _QUIT_KEYS:
            return True
        try:
            return bool(cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1)
        except cv2.error:  # Qt knows no window any more
            return True


def _check_screen() -> None:
    """Raise `FrontendError` where no window opens.

    A process of its own tries it, because Qt, with which OpenCV draws, ends the one in which it
    finds no screen.
    """
    os.environ["QT_LOGGING_RULES"] = "*.warning=false"  # it misses fonts that it does not need
    tried = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, check=False)
    if tried.returncode:
        raise FrontendError("there is no screen for a window: run it with --headless")
