"""One run, from the first frame to the summary."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import click

from facenet.imaging.drawing import draw_faces
from facenet.text import count
from facenet_live.events import EventLog
from facenet_live.feed import Feed, Frame
from facenet_live.lookups import Lookups
from facenet_live.recording import Recording
from facenet_live.screen import Screen
from facenet_live.status import Meter, Outage
from facenet_live.watcher import Watcher

if TYPE_CHECKING:
    from facenet.types import Image

AT_THE_END, WHEN_STOPPED = 10.0, 1.0
"""Seconds that the last look-ups get when a video is over, and when someone or something ends it.
"""


class Session:
    """Takes frames from a feed, has them watched, and shows and records what was seen."""

    def __init__(
        self,
        feed: Feed,
        watcher: Watcher,
        lookups: Lookups,
        log: EventLog,
        screen: Screen | None,
        recording: Recording | None,
    ) -> None:
        self._feed = feed
        self._watcher = watcher
        self._lookups = lookups
        self._log = log
        self._screen = screen
        self._recording = recording
        self._stream, self._gallery = Outage("stream", log), Outage("gallery", log)
        self._meter = Meter()
        self._last: Frame | None = None
        self._picture: Image | None = None

    def run(self, stop: threading.Event) -> None:
        """Until the source ends, the window is closed or `stop` is set; then sum up.

        Raises `FacenetError` when the source is lost for good, or a result cannot be written.
        """
        patience = WHEN_STOPPED
        try:
            with self._progress() as progress:
                for frame in self._feed:
                    if stop.is_set() or (self._screen and self._screen.closed):
                        break
                    if frame is not None:
                        self._see(frame)
                        progress.update(1)
                    elif self._last is not None:
                        self._wait(self._last)
                else:
                    patience = AT_THE_END
        finally:
            if self._last is not None:
                self._watcher.finish(self._last, patience)
                self._sum_up(self._last)

    def _see(self, frame: Frame) -> None:
        self._last = frame
        seen = self._watcher.see(frame)
        self._check_outages(frame)
        if self._screen or self._recording:
            self._picture = draw_faces(
                frame.pixels,
                [named.face for named in seen],
                [named.label for named in seen],
                [named.known for named in seen],
            )
            if self._recording:
                self._recording.add(self._picture, frame.seconds)
            self._show()
        self._meter.passed(frame)

    def _wait(self, last: Frame) -> None:
        """No frame has come for a moment."""
        self._check_outages(last)
        self._show()

    def _show(self) -> None:
        if self._screen and self._picture is not None:
            since = self._feed.silent_since
            self._screen.show(
                self._picture,
                f"{self._meter.rate:.0f} frames/s, {self._meter.latency:.0f} ms"
                if since is None
                else f"no picture since {time.monotonic() - since:.0f} s, trying again",
            )

    def _check_outages(self, frame: Frame) -> None:
        silent, failure = self._feed.silent_since is not None, self._lookups.failure
        stream = f"{self._feed.name}: no picture comes, trying again"
        gallery = f"the gallery does not answer, names stay as they are: {failure}"
        self._stream.check(stream if silent else None, frame)
        self._gallery.check(gallery if failure else None, frame)

    def _progress(self) -> Any:
        """A bar on standard error, for a video file of known length that is not looked at."""
        length = None if self._screen else self._feed.length
        return click.progressbar(
            length=length or 0,
            label=f"watching {self._feed.name}",
            hidden=not length,
            file=sys.stderr,
        )

    def _sum_up(self, last: Frame) -> None:
        meter, feed, watcher = self._meter, self._feed, self._watcher
        names = sorted(watcher.names)
        self._log.add(
            "ended",
            last.number,
            last.seconds,
            frames=meter.frames,
            dropped=feed.dropped,
            tracks=watcher.followed,
            names=names,
        )
        speed = f"{count(meter.frames, 'frame')} at {meter.mean_rate:.1f}/s"
        if feed.drops:
            speed += f", {meter.latency:.0f} ms late, {feed.dropped} dropped"
        seen = f"; {count(watcher.followed, 'face')} followed"
        click.echo(speed + seen + (f": {', '.join(names)}" if names else ""), err=True)
