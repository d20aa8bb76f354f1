"""Requests that are sent again, since their answer was lost on the way."""

from __future__ import annotations

import pickle
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, NamedTuple

from fastapi.responses import JSONResponse

from facenet_serve.problems import Problem

KEPT = 10_000
KEPT_SECONDS = 24 * 3600


class _Answer(NamedTuple):
    until: float
    asked: bytes
    status: int
    counts: dict[str, Any]


class Repeats:
    """Answers to requests with an idempotency key, kept for a day in this process; without the
    name in them, which would outlive whoever is forgotten.

    A repeat that meets another worker, or a service that was started anew, is done once more, which
    changes nothing: a gallery holds no face twice.
    """

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[str, str], _Answer] = OrderedDict()

    async def answer(
        self,
        key: str | None,
        caller: str,
        identity: str,
        asked: Any,
        work: Callable[[], Awaitable[tuple[int, dict[str, Any]]]],
    ) -> JSONResponse:
        """The answer that was given before to this caller's key, or that of `work`: status and
        body, of which `identity` is a part. Raises `Problem` where the key was used to ask
        something else."""
        if key is None:
            status, body = await work()
            return JSONResponse(body, status)
        digest = sha256(pickle.dumps((identity, asked))).digest()
        now = time.monotonic()
        known = self._answers.get((caller, key))
        if known and known.until > now:
            if known.asked != digest:
                raise Problem("key-reused", f"{key!r} stands for another request: take a new one")
            body = {"identity": identity, **known.counts}
            return JSONResponse(body, known.status, {"Idempotent-Replayed": "true"})
        status, body = await work()
        counts = {name: value for name, value in body.items() if name != "identity"}
        self._answers[caller, key] = _Answer(now + KEPT_SECONDS, digest, status, counts)
        while len(self._answers) > KEPT:
            self._answers.popitem(last=False)
        return JSONResponse(body, status)
