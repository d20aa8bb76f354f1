"""Vector store plugin `memory`: a gallery in this process, gone when the process ends.

It is the reference implementation: the same calls must give the same answers on every store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from facenet.hookspecs import hookimpl
from facenet.types import PluginInfo

if TYPE_CHECKING:
    from facenet.stores import Store


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(summary="Gallery in memory: exact, kept nowhere.", licence="MIT")


@hookimpl
def make_store(options: Any, embedding_dim: int, space: str) -> Store:
    from facenet_memory.store import MemoryStore

    return MemoryStore(embedding_dim, space)
