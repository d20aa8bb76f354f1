"""Extension `journal`: a line for each enrolment, search and forgetting, in the file that the
environment variable JOURNAL names. It holds no name and no similarity: only what and how many."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from facenet.hookspecs import hookimpl
from facenet.types import PluginInfo

if TYPE_CHECKING:
    from facenet.recognition import FaceMatches
    from facenet.stores import Receipt


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(summary="A journal of what happens, as JSON lines.", licence="MIT")


@hookimpl
def after_enrol(added: int) -> None:
    _write("enrol", samples=added)


@hookimpl
def after_search(results: Sequence[FaceMatches]) -> None:
    named = sum(result.identity is not None for result in results)
    _write("search", faces=len(results), named=named)


@hookimpl
def after_forget(receipt: Receipt) -> None:
    _write("forget", samples=receipt.samples)


def _write(what: str, **counts: int) -> None:
    """Append a line. A write that fails is logged by facenet, and disturbs nobody."""
    if path := os.environ.get("JOURNAL"):
        entry = {"at": datetime.now(UTC).isoformat(), "what": what, **counts}
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
