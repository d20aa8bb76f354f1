"""The frontend: what is wrong is said before anything starts, then a session runs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from facenet.errors import RequestError
from facenet.paths import checked_output_file
from facenet.recognition import Recognizer
from facenet.signals import stopped_by_signals
from facenet_live import Options
from facenet_live.events import EventLog
from facenet_live.feed import Feed
from facenet_live.lookups import Lookups
from facenet_live.recording import Recording
from facenet_live.screen import Screen
from facenet_live.session import Session
from facenet_live.watcher import Watcher


class LiveView:
    """Names on the faces of a camera, a file or a stream: in a window, a video and a log.

    Raises `RequestError` when a result cannot be written where it should.
    """

    def __init__(self, options: Options, recognizer: Recognizer) -> None:
        _check_results(options)
        self._options = options
        self._recognizer = recognizer

    def run(self) -> int:
        """Run until the source ends, the window is closed, or SIGINT or SIGTERM; sum up.

        Raises `StoreError` when the gallery cannot be opened, `FrontendError` when the source
        cannot or there is no screen, and `FacenetError` when the source is lost for good.
        """
        options, recognizer = self._options, self._recognizer
        identities = recognizer.store.count()
        with ExitStack() as parts:
            stop = parts.enter_context(stopped_by_signals())
            screen = None if options.headless else parts.enter_context(Screen("facenet live"))
            feed = parts.enter_context(
                Feed(options.camera, paced=not options.headless, reconnect=options.reconnect)
            )
            log = parts.enter_context(EventLog(options.events))
            recording = parts.enter_context(Recording(options.output)) if options.output else None
            lookups = parts.enter_context(Lookups(recognizer, options))
            _say_what_is_missing(recognizer, identities)
            log.add("started", 0, 0.0, source=feed.name, identities=identities)
            watcher = Watcher(recognizer, options, lookups, log)
            Session(feed, watcher, lookups, log, screen, recording).run(stop)
        return 0


def _check_results(options: Options) -> None:
    taken = {Path(options.camera).resolve()}
    for path in filter(None, (options.output, options.events)):
        if path.resolve() in taken:
            raise RequestError(f"{path}: is the --camera or the --output; name another file")
        taken.add(checked_output_file(path).resolve())


def _say_what_is_missing(recognizer: Recognizer, identities: int) -> None:
    """What works, but not as its user may think."""
    if not identities:
        click.echo("the gallery is empty: all faces are unknown until someone enrols", err=True)
    if recognizer.known_threshold() is None:
        click.echo(
            "no threshold is calibrated: the most similar is named with a question mark; find one "
            "with `facenet calibrate`, or set threshold in the configuration",
            err=True,
        )
    # Where faces are aligned in another way the recognizer says so itself.
    whole = recognizer.config.detector.plugin == "whole_image"
    if whole and recognizer.pipeline.alignment == "none":
        click.echo(
            "detector whole_image takes each frame for one face; for video choose another, such "
            "as yunet",
            err=True,
        )
