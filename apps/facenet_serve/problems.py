"""What is said when a request fails: problem details, as in RFC 9457."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from facenet.errors import (
    ConfigError,
    FacenetError,
    ImageError,
    NoFaceError,
    QualityError,
    RequestError,
    StoreUnavailable,
)
from facenet.text import did_you_mean
from facenet_serve.schemas import PageQuery

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1
"""When to try again what failed for lack of room; of a store that is away, some more."""
STORE_RETRY_SECONDS = 5


class Kind(NamedTuple):
    """A kind of problem: its HTTP status, and one line on it."""

    status: int
    title: str


KINDS = {
    "bad-request": Kind(400, "The request cannot be understood"),
    "missing-key": Kind(401, "An API key is needed"),
    "invalid-key": Kind(401, "The API key is not known"),
    "expired-key": Kind(401, "The API key has expired"),
    "revoked-key": Kind(401, "The API key was revoked"),
    "role": Kind(403, "The API key may not do this"),
    "foreign-page": Kind(403, "A web page of another place may not call"),
    "not-found": Kind(404, "There is nothing at this address"),
    "unknown-identity": Kind(404, "Nobody of this name is enrolled"),
    "method": Kind(405, "The address does not take this method"),
    "slow-body": Kind(408, "The request did not arrive in time"),
    "changed": Kind(412, "The identity is not what the caller took it for"),
    "body-too-large": Kind(413, "The request is too large"),
    "content-type": Kind(415, "The content type is not taken"),
    "invalid": Kind(422, "A value of the request is wrong"),
    "image": Kind(422, "An image cannot be used"),
    "no-face": Kind(422, "No face was found"),
    "quality": Kind(422, "An image is not good enough to be enrolled"),
    "key-reused": Kind(422, "The idempotency key belongs to another request"),
    "rate": Kind(429, "Too many requests with this API key"),
    "internal": Kind(500, "The service failed"),
    "busy": Kind(503, "The service has too much to do"),
    "deadline": Kind(503, "The answer took too long"),
    "store": Kind(503, "The gallery does not answer"),
}
"""All that a client may meet; the table in docs/service.md says the same."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
OF_STATUS = {400: "bad-request", 404: "not-found", 405: "method"}
"""For what the framework itself refuses."""


class Problem(Exception):
    """An answer that is a problem: a kind of `KINDS`, and what would be right in a sentence."""

    def __init__(
        self, kind: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more

    def response(self) -> JSONResponse:
        status, title = KINDS[self.kind]
        body = {
            "type": f"urn:facenet:problem:{self.kind}",
            "title": title,
            "status": status,
            "detail": self.detail,
            **self.more,
        }
        return JSONResponse(body, status, self.headers, MEDIA_TYPE)


def problem_of(error: FacenetError) -> Problem:
    """What a caller is told of an error of facenet."""
    text = f"{error}"
    match error:
        case NoFaceError():
            return Problem("no-face", text)
        case QualityError():
            return Problem("quality", text, codes=list(error.codes))
        case ImageError():
            return Problem("image", text)
        case StoreUnavailable():
            # Its text names the server, which is no caller's business.
            logger.error("the gallery does not answer", extra={"fields": {"reason": text}})
            return Problem(
                "store",
                "the gallery does not answer now; nothing is lost, try again",
                headers={"Retry-After": str(STORE_RETRY_SECONDS)},
            )
        case RequestError() if not isinstance(error, ConfigError):
            return Problem("invalid", text)
    logger.error("failed: %s", type(error).__name__, exc_info=error)
    return failed()


def failed() -> Problem:
    """What a caller is told of a bug."""
    return Problem("internal", "this is the service's fault; its log says more")


def add_handlers(app: FastAPI) -> None:
    """Let every failure that is foreseen end as a problem; of others see `watching`."""
    handlers: dict[type[Exception], Callable[[Any, Request], Problem]] = {
        Problem: lambda error, _: error,
        FacenetError: lambda error, _: problem_of(error),
        RequestValidationError: lambda error, _: invalid(error.errors(), PageQuery.model_fields),
        HTTPException: _refused,
    }
    for kind, handler in handlers.items():

        async def answer(
            request: Request, error: Exception, told: Callable[[Any, Request], Problem] = handler
        ) -> JSONResponse:
            return told(error, request).response()

        app.add_exception_handler(kind, answer)


def invalid(errors: Sequence[Mapping[str, Any]], known: Iterable[str]) -> Problem:
    """Of values that a model refuses, each with its place; `known` are the fields that it has."""
    places = [
        {
            "at": ".".join(str(part) for part in error["loc"]) or "content",
            "problem": _unknown(error["loc"][-1], known)
            if error["type"] == "extra_forbidden"
            else error["msg"].removeprefix("Value error, "),
        }
        for error in errors
    ]
    detail = "; ".join(f"{place['at']}: {place['problem']}" for place in places)
    return Problem("invalid", detail, errors=places)


def _unknown(name: str, known: Iterable[str]) -> str:
    return f"unknown{did_you_mean(name, known) or '; there are ' + ', '.join(known)}"


def _refused(error: HTTPException, request: Request) -> Problem:
    kind = OF_STATUS.get(error.status_code, "bad-request")
    detail, headers = str(error.detail), dict(error.headers or {})
    if kind == "method":
        # The framework names the methods of the first route that is at the address, not of all.
        first = headers.get("Allow", "")
        taken = ", ".join(each for each in METHODS if each in first or _takes(request, each))
        headers["Allow"] = taken
        detail = f"{request.method} is not taken here, but {taken}"
    if kind in ("not-found", "method"):
        detail = f"{detail}: /docs lists all addresses"
    if kind == "not-found":
        detail += did_you_mean(request.url.path, request.app.openapi()["paths"])
    return Problem(kind, detail, headers=headers)


def _takes(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
