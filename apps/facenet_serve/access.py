"""Who may do what, and how often."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

import limits
from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from facenet_serve import Options
from facenet_serve.keys import Key, KeyFile, Role
from facenet_serve.problems import Problem

BEARER = HTTPBearer(
    auto_error=False,
    description="An API key, of 'facenet serve keys add', with the role that an operation names, "
    "or as `admin`.",
)
HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same, as a header.")
HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class Access:
    """Decides on each request. A key is needed as soon as the file of keys holds one; before that
    whoever reaches the service may do everything, except for web pages of other places, which a
    browser would let call."""

    def __init__(self, options: Options) -> None:
        self._keys = KeyFile(options.keys_file)
        self._needs_key = False
        self._only_here = not options.insecure
        self._origins = frozenset(options.cors_origins)
        # Workers share nothing: each grants its part.
        per_worker = max(1, options.rate_limit // options.workers)
        self._rate = limits.RateLimitItemPerMinute(per_worker) if options.rate_limit else None
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    @property
    def needs_key(self) -> bool:
        """Whether there are keys; once there were, none is not enough until the service ends."""
        self._needs_key = self._needs_key or len(self._keys) > 0
        return self._needs_key

    def needs(self, role: Role) -> Any:
        """A dependency that lets pass who may act in this role, and tells OpenAPI of it."""

        async def check(
            request: Request,
            bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
            header: Annotated[str | None, Security(HEADER)],
        ) -> None:
            shown = bearer.credentials if bearer else header
            if not self.needs_key:
                self._check_place(request)
                return
            key = self._valid(shown)
            request.state.key_id = key.id
            if not key.may(role):
                raise Problem(
                    "role",
                    f"this needs the role {role}, the key has {', '.join(key.roles)}: ask for one "
                    "that may",
                )
            self._count(key)

        return Security(check, scopes=[role])

    def _valid(self, shown: str | None) -> Key:
        ask = {"WWW-Authenticate": "Bearer"}
        if not shown:
            raise Problem(
                "missing-key", "send an API key as 'Authorization: Bearer KEY'", headers=ask
            )
        key = self._keys.find(shown)
        if key is None:
            raise Problem("invalid-key", "no such API key: was it copied whole?", headers=ask)
        state = key.state(datetime.now(UTC))
        if state != "valid":
            raise Problem(
                f"{state}-key", f"key {key.id} has {_ENDED[state]}: ask for another", headers=ask
            )
        return key

    def _count(self, key: Key) -> None:
        if self._rate is None or self._limiter.hit(self._rate, key.id):
            return
        again = self._limiter.get_window_stats(self._rate, key.id).reset_time - time.time()
        raise Problem(
            "rate",
            f"key {key.id} has {self._rate.amount} requests a minute; wait",
            headers={"Retry-After": str(max(1, round(again)))},
        )

    def _check_place(self, request: Request) -> None:
        """That no web page of another place calls, by its own address or by a name that it has
        given to this one."""
        host = request.headers.get("host", "")
        if self._only_here and _place(f"//{host}").hostname not in HERE:
            raise Problem("foreign-page", f"the service is not {host!r}: call it as localhost")
        origin = request.headers.get("origin")
        if origin and _place(origin).netloc != host and origin not in self._origins:
            raise Problem(
                "foreign-page", f"pages of {origin} may not call: name it in cors_origins, or not"
            )


def _place(address: str) -> SplitResult:
    """The parts of an address; none of one that is broken."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


_ENDED = {"expired": "expired", "revoked": "been revoked"}
