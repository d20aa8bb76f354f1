"""The service at its address: one process, or several behind one socket."""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import ExitStack
from functools import partial

import click
from fastapi import FastAPI

from facenet.config import InferenceConfig
from facenet.errors import FrontendError, StoreUnavailable
from facenet.recognition import Recognizer
from facenet.serving import Listener
from facenet_serve import Options
from facenet_serve.app import make_app
from facenet_serve.keys import FIRST, KeyFile
from facenet_serve.logs import write_json_lines
from facenet_serve.metrics import SHARED_FOLDER
from facenet_serve.tracing import check_tracing, trace

logger = logging.getLogger(__name__)

GRACE = 30
"""Seconds that accepted requests may still take once it is asked to stop."""


class Server:
    """The application over a recognizer, on the address of the options.

    Raises `FrontendError` when the address cannot be had, or is open to others without any key.
    """

    def __init__(self, options: Options, recognizer: Recognizer) -> None:
        self._options = options
        self._recognizer = recognizer
        self._listener = Listener(options.host, options.port)
        self._keys = KeyFile(options.keys_file)
        self._check_access()
        if options.tracing:
            check_tracing()
        try:
            recognizer.store.count()
        except StoreUnavailable as error:
            # It may come back, and whoever only verifies does without.
            logger.warning("the gallery does not answer: %s", error)

    def run(self) -> int:
        """Serve until SIGINT or SIGTERM; accepted requests are finished first."""
        settings = {"timeout_graceful_shutdown": GRACE, "log_config": None, "server_header": False}
        if self._options.workers == 1:
            write_json_lines()
            app = worker_app(self._options, self._recognizer)
            self._listener.run(app, announce=self._announce, **settings)
            return 0
        config = self._recognizer.config
        self._recognizer.close()
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="facenet-metrics-"))
            os.environ[SHARED_FOLDER] = folder
            stack.callback(os.environ.pop, SHARED_FOLDER)
            self._listener.run_workers(
                partial(make_worker, self._options, config),
                self._options.workers,
                announce=self._announce,
                **settings,
            )
        return 0

    def _announce(self) -> None:
        address = self._listener.address
        file = self._options.keys_file
        open_to = (
            f"a key of {file} is needed"
            if len(self._keys)
            else f"no API key in {file}: whoever reaches it may do everything"
        )
        click.echo(f"listening on {address} (Ctrl-C stops); {open_to}", err=True)
        self._recognizer.registry.notify("service_started", name="serve", address=address)

    def _check_access(self) -> None:
        if len(self._keys) or self._options.insecure or self._listener.is_private:
            return
        raise FrontendError(
            f"{self._listener.address} can be reached from other machines, and there is no API "
            f"key: say --insecure, or make one: {self._keys.command('add', *FIRST)}"
        )


def make_worker(options: Options, config: InferenceConfig) -> FastAPI:
    """In a process of its own: the application over a recognizer of its own."""
    write_json_lines()
    return worker_app(options, Recognizer.from_config(config))


def worker_app(options: Options, recognizer: Recognizer) -> FastAPI:
    """The application as one process runs it."""
    app = make_app(recognizer, options)
    if options.tracing:
        trace(app)
    return app
