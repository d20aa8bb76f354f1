"""A search among some of a gallery."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

from facenet.errors import StoreError
from facenet.stores import Store


def filter_of(store: Store, where: Mapping[str, Any] | None) -> dict[str, Any]:
    """The argument `where` of `Store.search`; none where there is no filter, because a store that
    was written before need not take it. Raises `StoreError` where it must and does not."""
    if not where:
        return {}
    try:
        signature(store.search).bind((), where=where)
    except TypeError as error:
        kind = type(store).__name__
        raise StoreError(
            f"where: the store {kind} cannot search by metadata: leave the filter out, or choose "
            "another store, such as pgvector"
        ) from error
    return {"where": where}
