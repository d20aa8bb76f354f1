"""Running the application under uvicorn."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator

import click
import uvicorn

from facenet.errors import FrontendError
from facenet.recognition import Recognizer
from facenet_serve import Options
from facenet_serve.app import make_app


class Server:
    """The service, bound to its address before anything is said to the outside."""

    def __init__(self, options: Options, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._socket = _bind(options.host, options.port)
        host, port = self._socket.getsockname()[:2]
        self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self) -> int:
        """Serve until SIGINT or SIGTERM; accepted requests are finished first."""
        config = uvicorn.Config(make_app(self._recognizer), log_level="warning")
        click.echo(f"listening on {self.address} (Ctrl-C stops)", err=True)
        self._recognizer.registry.notify("service_started", name="serve", address=self.address)
        with _signals_end_quietly():
            uvicorn.Server(config).run(sockets=[self._socket])
        return 0


@contextlib.contextmanager
def _signals_end_quietly() -> Iterator[None]:
    """uvicorn repeats the signal that stopped it once it has stopped; being asked is no failure."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise FrontendError(
            f"cannot listen on {host}:{port}: {reason.lower()}; choose another --host or --port"
        ) from error
    return bound
