"""From what psycopg raises to one sentence for a user; never with a password in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout

from facenet.errors import StoreError

_REFUSAL = re.compile(r".*failed: (?:FATAL: +)?(.+)")


@contextmanager
def connecting(server: str) -> Iterator[None]:
    """Failures to connect to `server` (as a user knows it) become `StoreError`."""
    try:
        yield
    except psycopg.Error as error:
        text = str(error)
        reasons = _REFUSAL.findall(text) or text.splitlines() or [type(error).__name__]
        verb = "refuses the connection" if "FATAL" in text else "cannot be reached"
        raise StoreError(f"{server} {verb}: {reasons[-1].strip()}") from error


@contextmanager
def working(server: str) -> Iterator[None]:
    """Failures of calls to a `server` that was reached once become `StoreError`."""
    try:
        yield
    except PoolClosed as error:
        raise StoreError("the store is closed") from error
    except PoolTimeout as error:
        raise StoreError(f"{server} gives no connection: it is down or all are busy") from error
    except UnicodeEncodeError as error:
        raise StoreError("a text holds characters that are not Unicode text") from error
    except psycopg.Error as error:
        raise StoreError(_sentence(error, server)) from error


def _sentence(error: psycopg.Error, server: str) -> str:
    lines = (error.diag.message_primary or str(error)).splitlines()
    reason = lines[0] if lines else type(error).__name__
    if isinstance(error, psycopg.DataError):
        return f"{server} cannot keep a value: {reason}"
    if isinstance(error, errors.InsufficientPrivilege):
        return f"{server} does not allow this user to do that: {reason}"
    if error.sqlstate is None or isinstance(error, errors.AdminShutdown | errors.CrashShutdown):
        return f"the connection to {server} was lost: {reason}"
    return f"{server} failed: {reason}"
