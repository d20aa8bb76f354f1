"""A Milvus as the store speaks to it: in bounded time, and every failure a `StoreError`."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymilvus import MilvusClient

from facenet_milvus import Options
from facenet_milvus.failures import connecting, working
from facenet_milvus.local import acquire

if TYPE_CHECKING:
    from facenet.types import Vector

CONNECT_SECONDS = 10.0
CALL_SECONDS = 60.0
LONG_SECONDS = 3600.0
"""For what reads or writes a whole gallery anew: loading, compacting."""
ROWS_AT_ONCE = 500
ROWS_OF_A_SCAN, LOCAL_ROWS = 1000, 10_000
"""In a batch; milvus-lite looks at all rows for each."""

Row = dict[str, Any]
_locks: defaultdict[tuple[str, str], threading.RLock] = defaultdict(threading.RLock)


class Place:
    """A client of one Milvus. `local`: it runs in this process, and is spoken to by one thread at a
    time. Reads on which a change depends are `strong`; others as fresh as the options say."""

    def __init__(self, options: Options, resources: ExitStack) -> None:
        # Each of its failures is raised as well, without a traceback.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        self._consistency = options.consistency
        self.local = options.address is None
        if options.address is None:
            running = acquire(Path(options.uri))
            resources.callback(running.release)
            address, self.name = running.address, f"milvus-lite in {running.folder}"
            self._lock = running.lock
        else:
            address, self.name = options.address, f"Milvus at {options.address}"
            self._lock = _locks[options.address, options.collection]
        token = options.token.get_secret_value() if options.token else ""
        with connecting(self.name):
            self.client = MilvusClient(address, token=token, timeout=CONNECT_SECONDS)
            resources.callback(self.client.close)
            self.version: str = self.client.get_server_version(timeout=CONNECT_SECONDS)

    def reading(self) -> AbstractContextManager[Any]:
        """For calls that change nothing."""
        return self._lock if self.local else nullcontext()

    def changing(self) -> AbstractContextManager[Any]:
        """For calls that read, compute and write: those of this process come one by one."""
        return self._lock

    def get(
        self, collection: str, ids: Sequence[str], fields: list[str], *, strong: bool = False
    ) -> list[Row]:
        """The rows of these primary keys that are there, in any order."""
        found: list[Row] = []
        for start in range(0, len(ids), ROWS_AT_ONCE):
            with working(self.name):
                found += self.client.get(
                    collection,
                    list(ids[start : start + ROWS_AT_ONCE]),
                    output_fields=fields,
                    timeout=CALL_SECONDS,
                    consistency_level=self._level(strong),
                )
        return found

    def scan(
        self, collection: str, fields: list[str], where: str = "", *, strong: bool = False
    ) -> Iterator[list[Row]]:
        """All rows that a filter lets through, in batches, in any order."""
        with working(self.name):
            cursor = self.client.query_iterator(
                collection,
                batch_size=LOCAL_ROWS if self.local else ROWS_OF_A_SCAN,
                filter=where,
                output_fields=fields,
                timeout=CALL_SECONDS,
                consistency_level=self._level(strong),
            )
        try:
            while True:
                with working(self.name):
                    batch = cursor.next()
                if not batch:
                    return
                yield list(batch)
        finally:
            cursor.close()

    def count(self, collection: str, where: str = "", *, strong: bool = False) -> int:
        """How many rows a filter lets through."""
        with working(self.name):
            [row] = self.client.query(
                collection,
                filter=where,
                output_fields=["count(*)"],
                timeout=CALL_SECONDS,
                consistency_level=self._level(strong),
            )
        return int(row["count(*)"])

    def search(
        self,
        collection: str,
        field: str,
        vectors: Vector,
        limit: int,
        fields: list[str],
        where: str,
        parameters: dict[str, Any],
    ) -> list[list[Row]]:
        """For each of (M, D) vectors the rows whose `field` is nearest, at most `limit`;
        `parameters` are for its index."""
        with working(self.name):
            found = self.client.search(
                collection,
                data=list(vectors),
                anns_field=field,
                limit=limit,
                filter=where,
                output_fields=fields,
                search_params={"params": parameters},
                timeout=CALL_SECONDS,
                consistency_level=self._level(False),
            )
        return [[hit["entity"] for hit in hits] for hits in found]

    def upsert(self, collection: str, rows: Sequence[Row]) -> None:
        """Write rows; those of the same primary keys are replaced."""
        for start in range(0, len(rows), ROWS_AT_ONCE):
            with working(self.name):
                some = list(rows[start : start + ROWS_AT_ONCE])
                self.client.upsert(collection, some, timeout=CALL_SECONDS)

    def erase(self, collection: str, ids: Sequence[str] = (), where: str = "") -> None:
        """Erase rows by primary key, or those that a filter lets through."""
        for start in range(0, len(ids), ROWS_AT_ONCE):
            with working(self.name):
                some = list(ids[start : start + ROWS_AT_ONCE])
                self.client.delete(collection, ids=some, timeout=CALL_SECONDS)
        if where:
            with working(self.name):
                self.client.delete(collection, filter=where, timeout=CALL_SECONDS)

    def _level(self, strong: bool) -> str:
        return "Strong" if strong else self._consistency
