"""Stores whose galleries can be looked after: put right, migrated, purged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, runtime_checkable

from facenet.records import Record
from facenet.stores import Samples, Store, Template

if TYPE_CHECKING:
    from facenet.types import Vector


@dataclass(frozen=True, slots=True, eq=False)
class HeldSample(Record):
    """All that is held of one sample: the `number` by which it is called, which no other sample of
    its gallery has or gets, its `embedding`, (D,) float32 of unit length, `weight`, `key`, when it
    was enrolled (UTC), and its aligned face, a PNG file."""

    number: int
    embedding: Vector
    weight: float
    key: str | None
    at: datetime
    crop: bytes | None


@runtime_checkable
class CuratedStore(Store, Protocol):
    """A store in which mistakes can be put right: other names, samples of someone else."""

    def holdings(self, identity: str) -> list[HeldSample]:
        """All that is held of one identity beside its record, in the order of `samples`; [] when it
        is not enrolled."""

    def rename(self, identity: str, to: str) -> None:
        """Give an identity another name. Raises `StoreError` when it is not enrolled, when another
        identity has that name, and for a name that `enrol` would refuse."""

    def transfer(
        self,
        identity: str,
        to: str,
        *,
        samples: Sequence[int] | None = None,
        template: Template | None = None,
    ) -> int:
        """Move the samples of these numbers, or all, from one identity to another, which is created
        when new; return how many it got.

        In one transaction; both templates are made anew, as `enrol` makes them. A sample whose key
        the other holds already is erased instead: the two are one. An identity that keeps no sample
        is gone; when all were asked for, its metadata is merged under the other's. Raises
        `StoreError` when the identity is not enrolled, for a number that is none of its samples,
        for an identity and itself, and for a name that `enrol` would refuse.
        """

    def erase(
        self, identity: str, samples: Sequence[int], *, template: Template | None = None
    ) -> int:
        """Erase the samples of these numbers, and make the template anew; return how many went.

        An identity that keeps no sample is gone. Raises `StoreError` when it is not enrolled, and
        for a number that is none of its samples; then nothing is erased.
        """

    def older(self, than: datetime) -> Iterator[tuple[str, list[int]]]:
        """Each identity with samples that were enrolled before a time, and their numbers."""


@dataclass(frozen=True, slots=True)
class LogEntry(Record):
    """A change of a gallery: its `number`, when it was made (UTC), what was done (`action`: enrol,
    move, rename, erase, forget, undo, migrate), and to how many samples.

    `identity` and `other` (to whom samples were moved) are today's names: None for whoever is gone.
    `undoes` is the number of the entry that this one took back; `undoable`, whether this one can be
    taken back still.
    """

    number: int
    at: datetime
    action: str
    identity: str | None
    other: str | None
    samples: int
    undoes: int | None
    undoable: bool


@runtime_checkable
class LoggedStore(CuratedStore, Protocol):
    """A store that keeps a log of its changes, to which entries are only ever added.

    Neither vectors nor images are in it, and nothing that names someone who was forgotten.
    """

    def history(self, *, identity: str | None = None, limit: int | None = None) -> list[LogEntry]:
        """The latest entries, the last first; those that concern one identity, or all."""

    def undo(self, number: int, *, template: Template | None = None) -> LogEntry:
        """Take back the change of an entry, as far as it still stands; the entry of that.

        What was enrolled is erased, what was moved goes back, and a former name returns; templates
        are made anew. Metadata that an enrolment added stays. Raises `StoreError` for an entry that
        is not there or cannot be taken back, and where someone else has the former name.
        """


class PendingSample(NamedTuple):
    """A sample that is not in a new embedding space yet: its number, whose it is, its key, and the
    aligned face that was kept of it, a PNG file."""

    number: int
    identity: str
    key: str | None
    crop: bytes | None


class Successor(Protocol):
    """A collection beside a gallery's own that is to take its place: the same samples, under the
    same numbers, in another embedding space. Whatever it was given outlives the process."""

    def counts(self) -> tuple[int, int]:
        """How many of the gallery's samples it has, and how many there are."""

    def missing(
        self, *, after: int = 0, limit: int | None = None, crops: bool = False
    ) -> list[PendingSample]:
        """Samples that it lacks, in order of number, those after a number; with what was kept of
        their aligned faces where `crops` asks for it."""

    def add(self, embeddings: Mapping[int, Vector]) -> None:
        """Add samples by number, each a (D,) vector in the new space, in one transaction; whose
        they are, their key, weight, time and crop are the gallery's."""

    def samples(self, identity: str) -> Samples:
        """As `Store.samples`, of those it has."""

    def switch(self, *, template: Template | None = None, without_missing: bool = False) -> None:
        """Take the gallery's place in one transaction, with all that has changed there meanwhile;
        the former collection stays, and goes on being read, but not written, by who has it open.

        What the former then lacks it gets as a successor itself: to go back is to migrate again.
        Raises `StoreError` while samples are missing, unless `without_missing` leaves them behind.
        """


@runtime_checkable
class MigratingStore(CuratedStore, Protocol):
    """A store whose gallery can be brought to another embedding space."""

    def successor(self, embedding_dim: int, space: str) -> Successor:
        """Make the collection that is to take this one's place, or go on with the one that is
        there. Raises `StoreError` while there is one of a third space that is not finished."""

    def abandon(self) -> Literal["unfinished", "former"] | None:
        """Give up the collection beside this one: a successor that is not finished, or the former
        one, to which no way leads back then. Which it was; None: there is none."""


@runtime_checkable
class PurgingStore(Store, Protocol):
    """A store that can end what its engine keeps of what was erased."""

    def purge(self) -> None:
        """Write everything anew, so that no byte of what was erased is left in its files."""
