"""An ASGI application on an address of this machine, for every frontend that speaks HTTP.

Needs uvicorn, of the extras `serve` and `studio`, which is imported when it runs.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

from facenet.errors import FrontendError
from facenet.signals import handled

logger = logging.getLogger(__name__)

CANNOT_START = 3
"""Exit code of a process that is not to be replaced, as uvicorn has it (its STARTUP_FAILURE)."""


class Listener:
    """Bound to its address from the start, so that nothing is said to the outside that fails.

    `port` 0 takes any free one; `address` says which, as in http://127.0.0.1:8000. Raises
    `FrontendError` when the address cannot be had.
    """

    def __init__(self, host: str, port: int) -> None:
        self._socket = _bind(host, port)
        name, number = self._socket.getsockname()[:2]
        self.is_private = ipaddress.ip_address(name.partition("%")[0]).is_loopback
        """Whether this machine alone can reach it."""
        self.address = f"http://[{name}]:{number}" if ":" in name else f"http://{name}:{number}"

    def run(self, app: Any, *, announce: Callable[[], None], **settings: Any) -> None:
        """Serve an ASGI application until SIGINT or SIGTERM; accepted requests are finished first.

        `announce` is called when both signals are heeded already: whoever reads of the address may
        send one at once. `settings` are further ones of `uvicorn.Config`.
        """
        import uvicorn

        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", **settings))

        # Also before the server listens to signals itself; and when it repeats the one that stopped
        # it, as it does in the end, that is no failure.
        def stop(_number: int, _frame: FrameType | None) -> None:
            server.should_exit = True

        with handled(stop):
            announce()
            server.run(sockets=[self._socket])

    def run_workers(
        self,
        make_app: Callable[[], Any],
        workers: int,
        *,
        announce: Callable[[], None],
        **settings: Any,
    ) -> None:
        """Likewise in several processes, each with an application that `make_app`, which must be
        picklable, makes there; one that dies is replaced. Raises `FrontendError` when one cannot
        start; the log then says why."""
        import uvicorn
        from uvicorn.supervisors import Multiprocess

        made = partial(_made, make_app)
        config = uvicorn.Config(
            made, factory=True, workers=workers, log_level="warning", **settings
        )
        supervisor = Multiprocess(config, [self._socket])
        announce()
        supervisor.run()
        if any(worker.exitcode == CANNOT_START for worker in supervisor.processes):
            raise FrontendError("a process of the service cannot start: the log says why")


def _made(make_app: Callable[[], Any]) -> Any:
    """In a process of its own: the application, or the end of the process that is never replaced,
    since another would fail likewise."""
    try:
        return make_app()
    except Exception:  # whatever it is, it goes to the log
        logger.exception("the application cannot be made")
        sys.exit(CANNOT_START)


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
