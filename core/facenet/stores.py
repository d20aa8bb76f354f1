"""What a vector store is, and what more it may be: the contract of galleries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, runtime_checkable

from facenet.records import Record

if TYPE_CHECKING:
    from facenet.types import Vector


@dataclass(frozen=True, slots=True)
class Match(Record):
    """One identity of the gallery that a probe was compared with.

    `similarity` is the cosine with its template, in [-1, 1]; `samples` is how many it has, and
    `metadata` what was enrolled with it.
    """

    identity: str
    similarity: float
    samples: int
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Samples(NamedTuple):
    """What was enrolled of one identity, in order of enrolment: (N, D) float32 `embeddings` of unit
    length, and (N,) float32 `weights` in (0, 1], how much each counts in the template."""

    embeddings: Vector
    weights: Vector


Template = Callable[[Samples], "Vector"]
"""From all samples of an identity to a (D,) vector whose direction is the identity's template.

It is called while the identity is locked, and must not call the store."""


@dataclass(frozen=True, slots=True, eq=False)
class IdentityRecord(Record):
    """What a store holds on one identity: its template (`centroid`, (D,) float32, unit length),
    how many samples, and metadata."""

    identity: str
    samples: int
    centroid: Vector
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt(Record):
    """Proof of an erasure: how many samples of which identity went, and when (UTC)."""

    identity: str
    samples: int
    at: datetime


@dataclass(frozen=True, slots=True)
class StoreStats(Record):
    """A store at a glance; `space` is the embedding-space id that it is bound to, and `persistent`
    says whether what is enrolled outlives the process."""

    backend: str
    identities: int
    samples: int
    embedding_dim: int
    space: str
    persistent: bool = True


@runtime_checkable
class Store(Protocol):
    """A gallery of identities, bound to one embedding-space id.

    Every embedding is L2-normalised on entry. An identity's samples and its centroid change
    together or not at all. Identity names are any non-empty text without NUL characters.
    """

    def enrol(
        self,
        identity: str,
        embeddings: Vector,
        *,
        keys: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        weights: Sequence[float] | None = None,
        template: Template | None = None,
    ) -> int:
        """Add (N, D) samples to an identity, creating it when new; return how many were added.

        `keys` (N, for example content hashes) make enrolment idempotent: a sample whose key
        the identity already holds is not added again. `metadata` is merged over what is there.
        `weights` are (N,) in (0, 1]; None: 1 each. The template becomes the weighted mean of all
        samples, or what `template` makes of them while no one else can change the identity.
        Raises `StoreError` for a wrong dimension, a NaN, a zero vector, a weight out of range or an
        empty name.
        """

    def search(
        self,
        probes: Vector,
        *,
        top_k: int = 5,
        min_similarity: float = -1.0,
        where: Mapping[str, Any] | None = None,
    ) -> list[list[Match]]:
        """Compare (M, D) probes with all centroids: per probe at most `top_k` matches of at
        least `min_similarity`, most similar first, ties in order of identity name.

        `where` leaves only identities whose metadata contains it, in the sense of PostgreSQL's
        ``@>`` and of `facenet.gallery.contains`; None or empty: all. `top_k` are found among these,
        however many others are more similar. Raises `StoreError` for a filter that JSON cannot
        hold, a wrong dimension, a NaN or a zero vector.
        """

    def get(self, identity: str) -> IdentityRecord | None:
        """The record of one identity; None when it is not enrolled."""

    def samples(self, identity: str) -> Samples:
        """All samples of one identity; (0, D) and (0,) when it is not enrolled."""

    def identities(
        self, *, after: str | None = None, limit: int | None = None
    ) -> Iterator[IdentityRecord]:
        """The records in order of identity name (of its code points); those `after` a name, whether
        or not that is enrolled, and no more than `limit`. facenet gives either only for a page of a
        list."""

    def forget(self, identity: str) -> Receipt:
        """Erase an identity, samples and centroid at once; zero samples when unknown."""

    def count(self) -> int:
        """How many identities are enrolled."""

    def stats(self) -> StoreStats:
        """Counts, binding, and whether it persists."""

    def close(self) -> None:
        """Release connections and processes; a second call does nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class CropStore(Store, Protocol):
    """A store that can keep each sample with the aligned face that it was made of."""

    def enrol(
        self,
        identity: str,
        embeddings: Vector,
        *,
        keys: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        weights: Sequence[float] | None = None,
        template: Template | None = None,
        crops: Sequence[bytes | None] | None = None,
    ) -> int:
        """As `Store.enrol`, with `crops`: (N,) PNG files, each of at most 4 MiB, or None where none
        is to be kept.

        A crop is added with its sample or, like it, not at all, and is erased with it by `forget`.
        Nothing but `crops` reads them. `StoreError` for another number, for what is not `bytes`,
        and for an empty or a larger file.
        """

    def crops(self, identity: str) -> list[bytes | None]:
        """The crop of each sample of one identity, in the order of `samples`, None where none was
        kept; [] when it is not enrolled."""


@dataclass(frozen=True, slots=True, eq=False)
class Addition:
    """(N, D) samples for an identity, with what `Store.enrol` takes beside them."""

    identity: str
    embeddings: Vector
    keys: Sequence[str] | None = None
    metadata: Mapping[str, Any] | None = None
    weights: Sequence[float] | None = None
    crops: Sequence[bytes | None] | None = None


@runtime_checkable
class BulkStore(Store, Protocol):
    """A store that adds samples of many identities at once, and can say what it holds already."""

    def enrol_many(
        self, additions: Sequence[Addition], *, template: Template | None = None
    ) -> list[int]:
        """Make all additions in one transaction; return how many samples each has added.

        The outcome is that of `enrol` for one after the other, and an identity may come several
        times; but each template is made once, of all its samples, at the end. All of the additions
        are held in memory. Raises `StoreError` as `enrol` does, naming the identity; then nothing
        was added.
        """

    def holds(self, keys: Sequence[tuple[str, str]]) -> list[bool]:
        """For each pair of an identity and a key, whether that identity has a sample of that
        key."""


@dataclass(frozen=True, slots=True)
class Finding(Record):
    """Something wrong with a gallery: what `kind` of thing, in which identities, in one sentence,
    and whether it was put right."""

    kind: str
    identities: tuple[str, ...]
    text: str
    repaired: bool = False


@runtime_checkable
class CheckedStore(Store, Protocol):
    """A store that can look at what no other method of it shows."""

    def check(self, *, repair: bool = False) -> Iterator[Finding]:
        """Find what is wrong inside of the store: counts, samples of nobody, keys, vectors.

        With `repair` it puts right what can be, one transaction for each kind, and a finding comes
        when it is done. Templates are not looked at: they can be made of `samples`.
        """


@dataclass(frozen=True, slots=True)
class StoreStatus(Record):
    """A gallery as seen from outside; None: not known, or there is nothing.

    `place` is a folder or an address, `size` the bytes it takes on disk, and `users` the ids of the
    processes of this machine that use its server. Where no server is `running`, nobody is asked for
    what follows `running`, except for what its files say.
    """

    place: str
    running: bool
    server: str | None = None
    size: int | None = None
    users: tuple[int, ...] = ()
    schema_version: int | None = None
    identities: int | None = None
    samples: int | None = None
    embedding_dim: int | None = None
    space: str | None = None


class StoreManager(Protocol):
    """What can be done to the place where a gallery is kept, without a model. Raises
    `StoreError`."""

    def status(self) -> StoreStatus:
        """Look, and start nothing."""

    def stop(self, *, force: bool = False) -> bool:
        """Stop a server that is the store's own; whether there was one.

        Refused while other processes use it, unless `force` is given.
        """

    def dump(self, path: Path) -> StoreStatus:
        """Write the whole gallery, as it is at one moment, to a file; what the file holds.

        The file is there whole or not at all; whoever reads it reads everything.
        """

    def restore(
        self, path: Path, *, embedding_dim: int, space: str, replace: bool = False
    ) -> StoreStatus:
        """Bring a gallery back from a file of `dump`; what is there now.

        All of it, or nothing is changed. Refused when the file is bound to another dimension or
        embedding-space id, and when there is a gallery already, unless `replace` is given.
        """


@runtime_checkable
class IndexedStore(Store, Protocol):
    """A store whose searches get faster when something is ready that it builds beside them."""

    def wait_for_index(self) -> None:
        """Return when it is ready. Searches before give no other answers."""
