"""What a store can do beyond the least, and what is said where one cannot."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeGuard

from facenet.config import InferenceConfig
from facenet.curated_stores import CuratedStore
from facenet.errors import ConfigError, RequestError, StoreError
from facenet.stores import CropStore, Store

if TYPE_CHECKING:
    from facenet.recognition.recognizer import Recognizer


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


def checked_store(store: Store, config: InferenceConfig) -> Store:
    """The store, if it can keep what the configuration asks for; else it is closed.

    Raises `ConfigError`.
    """
    if config.keep_crops and not keeps_crops(store):
        store.close()
        raise ConfigError(
            f"keep_crops: the store {config.store.plugin} cannot keep aligned faces: set keep_crops"
            " to false, or choose another store, such as pgvector"
        )
    return store


def keeps_crops(store: Store) -> TypeGuard[CropStore]:
    """Whether a store takes aligned faces and gives them back."""
    try:
        signature(store.enrol).bind("", (), crops=())
    except TypeError:
        return False
    return hasattr(store, "crops")


def curated(recognizer: Recognizer) -> CuratedStore:
    """The gallery, as one in which samples are known by number; raises `RequestError` where the
    store cannot do that."""
    store = recognizer.store
    if not isinstance(store, CuratedStore):
        raise RequestError(
            f"the store {recognizer.config.store.plugin!r} can neither rename identities nor move "
            "or name single samples: use one that can, such as pgvector"
        )
    return store
