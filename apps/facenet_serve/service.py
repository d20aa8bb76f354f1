"""What all endpoints share: the recognizer, how requests are read, and where work is done."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import Request

from facenet.recognition import Recognizer
from facenet_serve.access import Access
from facenet_serve.metrics import Metrics
from facenet_serve.schemas import Body, ProblemBody
from facenet_serve.uploads import Reader, body_schema
from facenet_serve.work import Workroom

audit = logging.getLogger("facenet.audit")


class Service(NamedTuple):
    """The parts of one application."""

    recognizer: Recognizer
    access: Access
    reader: Reader
    workroom: Workroom
    metrics: Metrics


def endpoint(
    kind: type[Body] | None = None, *statuses: int, also: Mapping[int, Any] | None = None
) -> dict[str, Any]:
    """What OpenAPI says of an endpoint besides its usual answer: the body, the problems, and
    `also` other answers."""
    usual = {401, 403, 429, 503}
    if kind is not None:
        usual |= {400, 408, 413, 415, 422}
    problems = {
        status: {"model": ProblemBody, "content": {"application/problem+json": {}}}
        for status in sorted({*usual, *statuses})
    }
    answers = {**(also or {}), **problems}
    return {"responses": answers, "openapi_extra": body_schema(kind) if kind else None}


def caller(request: Request) -> str:
    """The id of the key that a request came with."""
    key_id: str = request.state.key_id
    return key_id


def note(action: str, request: Request, **counts: int) -> None:
    """Leave an entry of who did what to the gallery, without a name of anybody in it."""
    who = {"key": caller(request), "request": request.state.request_id}
    audit.info("audit", extra={"fields": {"action": action, **who, **counts}})
