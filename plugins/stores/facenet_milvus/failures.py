"""From what pymilvus raises to one sentence for a user; never with a token in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from pymilvus.exceptions import DataNotMatchException, MilvusException, ParamError

from facenet.errors import StoreError, StoreUnavailable

_DENIED = re.compile("auth check|unauthenticated|authenticat|permission deny|privilege", re.I)
_FULL = re.compile("no space left|quota|memory protection|force deny", re.I)


@contextmanager
def connecting(place: str) -> Iterator[None]:
    """Failures to connect to `place` (as a user knows it) become `StoreError`."""
    try:
        yield
    except (MilvusException, grpc.RpcError) as error:
        reason = _reason(error)
        if _DENIED.search(reason):
            raise StoreUnavailable(_denied(place, reason)) from error
        raise StoreUnavailable(
            f"{place} cannot be reached: {reason}; check the store's uri, and that Milvus "
            "runs there"
        ) from error


@contextmanager
def working(place: str) -> Iterator[None]:
    """Failures of calls to a `place` that was reached once become `StoreError`."""
    try:
        yield
    except (ParamError, DataNotMatchException) as error:
        raise StoreError(f"{place} cannot keep a value: {_reason(error)}") from error
    except (MilvusException, grpc.RpcError) as error:
        reason = _reason(error)
        if "create connection first" in reason:  # By another thread, meanwhile.
            raise StoreUnavailable("the store is closed") from error
        if _DENIED.search(reason):
            raise StoreUnavailable(_denied(place, reason)) from error
        if _FULL.search(reason):
            raise StoreUnavailable(f"{place} is full: {reason}") from error
        raise StoreUnavailable(
            f"{place} failed: {reason}; where this was a change, repeat it, which is safe for an "
            "enrolment with the same keys and for forgetting"
        ) from error


def _denied(place: str, reason: str) -> str:
    return f"{place} refuses this user: {reason}; check the store's token, and its rights there"


def _reason(error: MilvusException | grpc.RpcError) -> str:
    text = error.message if isinstance(error, MilvusException) else str(error.details())
    lines = str(text).splitlines()
    return lines[0].strip() if lines else type(error).__name__
