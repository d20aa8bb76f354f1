"""Around every request: its id, the headers of its answer, a line in the log, its metrics."""

from __future__ import annotations

import logging
import re
import time
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facenet_serve.metrics import Metrics
from facenet_serve.problems import failed

logger = logging.getLogger("facenet.requests")

REQUEST_ID = "X-Request-ID"
NOBODY = "none"
"""Stands for the id of a key where none is needed."""
_SANE = re.compile(r"[\w.:-]{1,100}", re.ASCII)
SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
LOOSER = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; \
img-src 'self' data:; frame-ancestors 'none'"
"""For the page that shows the API, which starts itself with a script in it."""
DOCUMENTATION = "/docs"


class Watch:
    """An ASGI application around another. Of what comes and goes it writes down neither images nor
    names: of an address only the pattern that it follows."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _SANE.fullmatch(given) else uuid4().hex
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["key_id"] = NOBODY
        status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
        begun = False

        async def answer(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                _add_headers(scope, MutableHeaders(scope=message), request_id)
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception:  # a bug: the log gets it, and the caller an answer with all headers
            if not begun:
                await failed().response()(scope, receive, answer)
            raise
        finally:
            seconds = time.perf_counter() - start
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.requested(scope["method"], route, status, seconds)
            self._write(scope, state, route, status, seconds)

    def _write(
        self, scope: Scope, state: dict[str, Any], route: str, status: int, seconds: float
    ) -> None:
        fields = {
            "request": state["request_id"],
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(seconds * 1e3, 1),
            "key": state["key_id"],
        }
        logger.info("request", extra={"fields": fields})


def _add_headers(scope: Scope, headers: MutableHeaders, request_id: str) -> None:
    headers[REQUEST_ID] = request_id
    for name, value in SECURITY.items():
        headers.setdefault(name, value)
    if scope["path"] == DOCUMENTATION:
        headers["Content-Security-Policy"] = LOOSER
