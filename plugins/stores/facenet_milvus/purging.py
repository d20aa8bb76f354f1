"""Taking off the disk what was erased: Milvus only marks it, until files are written anew."""

from __future__ import annotations

import time

from facenet.errors import StoreUnavailable
from facenet_milvus.failures import working
from facenet_milvus.place import CALL_SECONDS, LONG_SECONDS, Place
from facenet_milvus.schema import Gallery, rewrite

SECONDS_BETWEEN = 1.0


def purge(place: Place, gallery: Gallery) -> None:
    """As `MilvusStore.purge`; nobody else of this process may speak to the gallery meanwhile."""
    for collection in (gallery.samples, gallery.identities):
        if place.local:
            rewrite(place, gallery, collection)
        else:
            _compact(place, collection)


def _compact(place: Place, collection: str) -> None:
    client, end = place.client, time.monotonic() + LONG_SECONDS
    with working(place.name):
        client.flush(collection, timeout=LONG_SECONDS)
        job = client.compact(collection, timeout=CALL_SECONDS)
        while client.get_compaction_state(job, timeout=CALL_SECONDS) != "Completed":
            if time.monotonic() > end:
                raise StoreUnavailable(f"{place.name} is still compacting {collection!r}")
            time.sleep(SECONDS_BETWEEN)
