"""Taking off the disk what was erased: Milvus only marks it, until files are written anew."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from facenet.errors import StoreUnavailable
from facenet_milvus.failures import working
from facenet_milvus.place import CALL_SECONDS, LONG_SECONDS, Place

if TYPE_CHECKING:
    from pymilvus import MilvusClient

    from facenet_milvus.schema import Gallery

SECONDS_BETWEEN = 1.0
_COPY, _FORMER = "_copy", "_former"


def purge(place: Place, gallery: Gallery) -> None:
    """As `MilvusStore.purge`; nobody else of this process may speak to the gallery meanwhile."""
    for collection in (gallery.samples, gallery.identities):
        if place.local:
            _rewrite(place, gallery, collection)
        else:
            _compact(place, collection)


def finish(client: MilvusClient, collection: str) -> None:
    """End a rewriting that was ended at any moment. A copy that is whole takes the place of the
    former collection, which made way for it; any other is dropped."""
    copy, former = collection + _COPY, collection + _FORMER
    there = set(client.list_collections(timeout=CALL_SECONDS))
    if collection not in there and former in there:
        client.rename_collection(copy, collection, timeout=CALL_SECONDS)
        there.remove(copy)
    for name in there & {copy, former}:
        client.drop_collection(name, timeout=CALL_SECONDS)


def _rewrite(place: Place, gallery: Gallery, collection: str) -> None:
    client, copy = place.client, collection + _COPY
    with working(place.name):
        finish(client, collection)
        gallery.create(client, collection, copy)
    for batch in place.scan(collection, ["*"], strong=True):
        place.upsert(copy, batch)
    with working(place.name):
        client.flush(copy, timeout=LONG_SECONDS)
        client.rename_collection(collection, collection + _FORMER, timeout=CALL_SECONDS)
        finish(client, collection)
        client.load_collection(collection, timeout=LONG_SECONDS)


def _compact(place: Place, collection: str) -> None:
    client, end = place.client, time.monotonic() + LONG_SECONDS
    with working(place.name):
        client.flush(collection, timeout=LONG_SECONDS)
        job = client.compact(collection, timeout=CALL_SECONDS)
        while client.get_compaction_state(job, timeout=CALL_SECONDS) != "Completed":
            if time.monotonic() > end:
                raise StoreUnavailable(f"{place.name} is still compacting {collection!r}")
            time.sleep(SECONDS_BETWEEN)
