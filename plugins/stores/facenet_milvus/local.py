"""milvus-lite in this process: one for each folder, for all stores of the process that name it.

It is spoken to through a socket in a folder of its own, which no other user may enter; pymilvus
would start it on a port of the machine, which everybody may speak to.
"""

from __future__ import annotations

import atexit
import logging
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
from milvus_lite.adapter.grpc.servicer import MilvusServicer
from milvus_lite.db import COLLECTIONS_DIRNAME, LOCK_FILENAME, SCHEMA_FILENAME, MilvusLite
from milvus_lite.exceptions import DataDirLockedError
from pymilvus.grpc_gen import milvus_pb2_grpc

from facenet.errors import StoreError, StoreUnavailable

THREADS = 8
LARGEST_MESSAGE = 256 * 2**20
"""Bytes, as a Milvus server takes them."""

_all: dict[Path, LocalMilvus] = {}
_guard = threading.Lock()


@dataclass(eq=False)
class LocalMilvus:
    """A running milvus-lite; `lock` is held by whoever speaks to it, since a search while it moves
    its rows from memory to a file misses them."""

    folder: Path
    address: str
    resources: ExitStack
    lock: threading.RLock = field(default_factory=threading.RLock)
    users: int = 0

    def release(self) -> None:
        """Give it up; the last user stops it, which writes everything to files."""
        with _guard:
            self.users -= 1
            if not self.users:
                del _all[self.folder]
                self.resources.close()


def acquire(folder: Path) -> LocalMilvus:
    """The Milvus on a folder, which is made when it is missing; raises `StoreError`."""
    folder = folder.resolve()
    with _guard:
        running = _all.get(folder)
        if running is None:
            running = _all[folder] = _start(folder)
        running.users += 1
        return running


def _start(folder: Path) -> LocalMilvus:
    # Each of its failures is raised as well.
    logging.getLogger("milvus_lite").setLevel(logging.CRITICAL)
    _check_folder(folder)
    with ExitStack() as resources:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            database = MilvusLite(str(folder))
        except DataDirLockedError as error:
            raise StoreUnavailable(
                f"{folder} is open in another process: milvus-lite serves one at a time; end that "
                "one, or run a Milvus server and give its address as uri"
            ) from error
        except OSError as error:
            raise StoreUnavailable(f"{folder} cannot be opened: {error.strerror}") from error
        resources.callback(database.close)
        _sweep(folder)
        sockets = resources.enter_context(TemporaryDirectory(prefix="facenet-"))
        address = f"unix:{sockets}/milvus"
        limits = ("grpc.max_receive_message_length", "grpc.max_send_message_length")
        workers = resources.enter_context(ThreadPoolExecutor(THREADS))
        server = grpc.server(workers, options=[(limit, LARGEST_MESSAGE) for limit in limits])
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(database), server)
        server.add_insecure_port(address)
        server.start()
        resources.callback(lambda: server.stop(grace=1).wait())
        return LocalMilvus(folder, address, resources.pop_all())


def _check_folder(folder: Path) -> None:
    if folder.is_file():
        raise StoreError(
            f"{folder} is a file: milvus-lite keeps a folder since version 3; name another uri"
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / LOCK_FILENAME).exists():
        raise StoreError(f"{folder} holds something else than a Milvus: name another uri")


def _sweep(folder: Path) -> None:
    """Remove what is left of a collection whose making, or dropping, was ended in the middle."""
    for collection in (folder / COLLECTIONS_DIRNAME).iterdir():
        if not (collection / SCHEMA_FILENAME).exists():
            shutil.rmtree(collection)


@atexit.register
def _stop_all() -> None:
    for running in list(_all.values()):
        running.resources.close()
    _all.clear()
