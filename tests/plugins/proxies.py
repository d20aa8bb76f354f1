"""A TCP proxy in front of a server, for tests of what a broken network does to a client."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self


class Proxy:
    """Passes bytes on to a port of 127.0.0.1, from a port of its own.

    `judge` sees what a client sends, piece by piece, and says what becomes of it: "pass"; "cut",
    which drops both connections instead; "answerless", which passes it on and drops them before
    the answer; "swallow", which takes it and everything after it, and never answers.
    """

    def __init__(self, port: int) -> None:
        self.judge: Callable[[bytes], str] = lambda data: "pass"
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._sockets:
            _drop(each)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                threading.Thread(target=self._send, args=[client, server], daemon=True).start()
                threading.Thread(target=self._answer, args=[server, client], daemon=True).start()

    def _send(self, client: socket.socket, server: socket.socket) -> None:
        verdict = "pass"
        with suppress(OSError):
            while data := client.recv(65536):
                if verdict != "swallow":
                    verdict = self.judge(data)
                if verdict == "cut":
                    break
                if verdict == "answerless":
                    _drop(client)
                if verdict != "swallow":
                    server.sendall(data)
        _drop(client)
        if verdict != "answerless":
            _drop(server)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        _drop(client)


def _drop(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
