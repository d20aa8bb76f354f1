"""From what psycopg raises to one sentence for a user; never with a password in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout

from facenet.errors import StoreError, StoreUnavailable

_REFUSAL = re.compile(r".*failed: (?:FATAL: +)?(.+)")
_ADVICE = {
    "password authentication failed": "check the store's user and password",
    "no password supplied": "give the store's password",
    "does not exist": "create it there, or name another",
}


@contextmanager
def connecting(server: str) -> Iterator[None]:
    """Failures to connect to `server` (as a user knows it) become `StoreError`."""
    try:
        yield
    except psycopg.Error as error:
        text = str(error)
        reasons = _REFUSAL.findall(text) or text.splitlines() or [type(error).__name__]
        verb = "refuses the connection" if "FATAL" in text else "cannot be reached"
        reason = reasons[-1].strip()
        advice = [f"; {advice}" for words, advice in _ADVICE.items() if words in reason]
        raise StoreUnavailable(f"{server} {verb}: {reason}{''.join(advice[:1])}") from error


@contextmanager
def working(server: str) -> Iterator[None]:
    """Failures of calls to a `server` that was reached once become `StoreError`."""
    try:
        yield
    except PoolClosed as error:
        raise StoreUnavailable("the store is closed") from error
    except PoolTimeout as error:
        raise StoreUnavailable(f"{server} gave no connection in time: all are busy") from error
    except UnicodeEncodeError as error:
        raise StoreError("a text holds characters that are not Unicode text") from error
    except psycopg.DataError as error:
        raise StoreError(f"{server} cannot keep a value: {_reason(error)}") from error
    except psycopg.Error as error:
        raise StoreUnavailable(_sentence(error, server)) from error


@contextmanager
def committing(server: str) -> Iterator[None]:
    """The one moment at which a lost connection leaves open what happened: `StoreError` says so."""
    try:
        yield
    except psycopg.Error as error:
        if not _is_loss(error):
            raise
        raise StoreUnavailable(
            f"{_sentence(error, server)}; whether this change was made is unknown: repeat it, "
            "which is safe for an enrolment with the same keys and for forgetting"
        ) from error


def _sentence(error: psycopg.Error, server: str) -> str:
    reason = _reason(error)
    if isinstance(error, errors.InsufficientPrivilege):
        return f"{server} does not allow this user to do that: {reason}; ask for that right there"
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return f"{server} may only be read: {reason}; name a server and a user that may write"
    if isinstance(error, errors.DiskFull):
        return f"the disk of {server} is full: {reason}"
    if _is_loss(error):
        return f"the connection to {server} was lost: {reason}"
    return f"{server} failed: {reason}"


def _reason(error: psycopg.Error) -> str:
    lines = (error.diag.message_primary or str(error)).splitlines()
    return lines[0] if lines else type(error).__name__


def _is_loss(error: psycopg.Error) -> bool:
    """Whether nothing more will be heard of what was asked last."""
    ended = error.diag.severity_nonlocalized in ("FATAL", "PANIC")
    return ended or error.sqlstate is None or isinstance(error, errors.CrashShutdown)
