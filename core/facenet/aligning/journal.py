"""What came of each image of a long run: written down at once, so that the run can go on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

from facenet.errors import FacenetError
from facenet.paths import write_whole


class Done(NamedTuple):
    """An image as it was, its `size` in bytes and when it was `modified` (ns), and what came of it:
    the file of its face, None when it shows none, and how many `faces` it shows."""

    size: int
    modified: int
    face: str | None
    faces: int


class Journal:
    """Entries by the name of their image, in a file to which a run adds lines.

    A context; threads may share it. A last line that a killed process left unfinished is dropped.
    Raises `FacenetError` when the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.entries = dict(_read(path))

    def __enter__(self) -> Self:
        write_whole(self._path, b"".join(_line(*entry) for entry in self.entries.items()))
        self._file = self._path.open("ab", buffering=0)
        return self

    def add(self, image: str, done: Done) -> None:
        """Write down what came of an image."""
        with self._lock:
            self.entries[image] = done
            try:
                self._file.write(_line(image, done))
            except OSError as error:
                raise FacenetError(f"{self._path}: cannot be written: {error.strerror}") from error

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _line(image: str, done: Done) -> bytes:
    """ASCII alone, for names of files need not be valid Unicode."""
    return f"{json.dumps([image, *done])}\n".encode("ascii")


def _read(path: Path) -> Iterator[tuple[str, Done]]:
    if not path.is_file():
        return
    for line in path.read_bytes().splitlines():
        try:
            image, *values = json.loads(line)
            yield image, Done(*values)
        except (TypeError, ValueError):
            continue
