"""The service at its address."""

from __future__ import annotations

import click

from facenet.recognition import Recognizer
from facenet.serving import Listener
from facenet_serve import Options
from facenet_serve.app import make_app


class Server:
    """The application over a recognizer, on the address of the options."""

    def __init__(self, options: Options, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._listener = Listener(options.host, options.port)

    def run(self) -> int:
        """Serve until SIGINT or SIGTERM; accepted requests are finished first."""
        self._listener.run(make_app(self._recognizer), announce=self._announce)
        return 0

    def _announce(self) -> None:
        address = self._listener.address
        click.echo(f"listening on {address} (Ctrl-C stops)", err=True)
        self._recognizer.registry.notify("service_started", name="serve", address=address)
