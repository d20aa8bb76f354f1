"""What a writer of the fault harness set out to do and what it was told is done.

The journal lies outside of the store, one line for each event in the order in which they happened,
and outlives the writer.
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from facenet.types import Vector

DIM = 32
LARGEST = 8
"""Samples of one enrolment, at most."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of a store: an enrolment of so many samples, or the forgetting of an identity."""

    number: int
    kind: Literal["enrol", "forget"]
    identity: str
    samples: int = 0
    weighted: bool = False
    cropped: bool = False

    @property
    def sample_numbers(self) -> range:
        """The numbers of its samples, which no other operation has."""
        return range(self.number * LARGEST, self.number * LARGEST + self.samples)

    @property
    def keys(self) -> list[str]:
        return [f"key-{number}" for number in self.sample_numbers]

    @property
    def embeddings(self) -> Vector:
        """(samples, DIM) float32; see `sample_number`."""
        bits = (np.array(self.sample_numbers)[:, None] >> np.arange(DIM)) & 1
        return np.where(bits, -1, 1).astype(np.float32)

    @property
    def weights(self) -> list[float]:
        """In (0, 1], not all alike where the enrolment is weighted, and exact in float32."""
        return [(number % 4 + 1) / 4 if self.weighted else 1.0 for number in self.sample_numbers]

    @property
    def crops(self) -> list[bytes | None]:
        return [str(number).encode() if self.cropped else None for number in self.sample_numbers]


def sample_number(embedding: Vector) -> int | None:
    """The number of the sample with this (DIM,) embedding of unit length.

    Its components are all of one size, and their signs are the number's binary digits: a store's
    answer says by itself what it should be. None: this is no sample of the harness.
    """
    if not np.allclose(np.abs(embedding), DIM**-0.5, atol=1e-6):
        return None
    return sum(1 << int(bit) for bit in np.flatnonzero(embedding < 0))


@dataclass(frozen=True, slots=True)
class Event:
    """An operation, where in the journal it began, and where it was done; None: it never was."""

    operation: Operation
    begun: int = -1
    done: int | None = None

    def precedes(self, other: Event) -> bool:
        """Whether it was done before the other began."""
        return self.done is not None and self.done < other.begun

    @classmethod
    def of_the_past(cls, operation: Operation) -> Event:
        """An operation that was found done before the journal began."""
        return cls(operation, done=-1)


class Journal:
    """Written by several threads: an operation before it begins, its number when it is done."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def begin(self, operation: Operation) -> None:
        self._write(dataclasses.asdict(operation))

    def done(self, operation: Operation) -> None:
        self._write(operation.number)
        os.fsync(self._file)

    def _write(self, value: object) -> None:
        os.write(self._file, f"{json.dumps(value)}\n".encode())


def read_journal(path: Path) -> list[Event]:
    """All operations of a journal, in the order in which they began; [] where there is none."""
    text = path.read_text() if path.exists() else ""
    events: dict[int, Event] = {}
    # What stands behind the last line's end was being written when the writer was killed.
    for place, line in enumerate(text.split("\n")[:-1]):
        value = json.loads(line)
        if isinstance(value, int):
            events[value] = dataclasses.replace(events[value], done=place)
        else:
            operation = Operation(**value)
            events[operation.number] = Event(operation, begun=place)
    return list(events.values())
