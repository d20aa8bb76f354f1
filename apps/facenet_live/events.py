"""The log of what happened: one JSON object in each line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from facenet.errors import FacenetError


class EventLog:
    """Adds events to a file as they happen, so that it can be followed; no path: keeps none.

    A context. Raises `FacenetError` naming the file when it cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file = None
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("ab", buffering=0)
            except OSError as error:
                raise _unwritable(path, error) from error

    def add(self, event: str, frame: int, seconds: float, **details: Any) -> None:
        """Log an event at a frame of the video and its time in it; `at` is the time now, in UTC."""
        if self._file is None or self._path is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = {"event": event, "at": now, "frame": frame, "seconds": round(seconds, 3)}
        line = json.dumps(entry | details, ensure_ascii=False) + "\n"
        try:
            self._file.write(line.encode())
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def _unwritable(path: Path, error: OSError) -> FacenetError:
    return FacenetError(f"{path}: cannot be written: {error.strerror}")
