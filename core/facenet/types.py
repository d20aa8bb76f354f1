"""What plugins promise and what travels between the parts: Protocols and frozen records.

Importing this module is cheap by design: numpy and torch appear only in annotations.
Array conventions everywhere: images are RGB uint8 of shape (H, W, 3); embeddings are float32 of
shape (D,) or (N, D); similarity is cosine similarity, in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    NamedTuple,
    Protocol,
    Self,
    get_args,
    runtime_checkable,
)

from facenet.records import Record

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray
    from pydantic import BaseModel
    from torch import nn

    Image = NDArray[np.uint8]
    Vector = NDArray[np.float32]

PluginKind = Literal["backbone", "miner", "detector", "store", "frontend"]
KINDS: tuple[PluginKind, ...] = ("backbone", "miner", "detector", "store", "frontend")
ImageFormat = Literal["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"]
"""The image formats that are read, by Pillow's names."""
Alignment = Literal["none", "square", "five-point"]
"""From a face to the square that a network sees: see `facenet.imaging.align`."""
API_VERSION = 1
"""Version of the plugin contract; raised only when an existing plugin would stop working."""


@dataclass(frozen=True)
class ImageLimits:
    """What is decoded: formats, and at most so many pixels and bytes of a file."""

    formats: tuple[ImageFormat, ...] = get_args(ImageFormat)
    max_pixels: int = 25_000_000
    max_bytes: int = 50_000_000


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """What a plugin says about itself.

    `install` is shown when one of the plugin's own dependencies is missing, for example
    ``pip install 'facenet-kit[pgvector]'``. `licence` is the SPDX id of the plugin's own code, and
    `requires` names the libraries that it brings into the process, each with its SPDX id, where
    `licences.allow` must judge them. `options` is the pydantic model of the plugin's keys in YAML;
    None: no keys.
    """

    summary: str
    licence: str
    options: type[BaseModel] | None = None
    install: str | None = None
    api_version: int = API_VERSION
    requires: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network that a backbone plugin can build, as far as is known without building it.

    `parameters` counts those of the published network, its classifier included; `input_size` is
    the side in pixels that it was designed for; `licence` is the SPDX id of the weights that
    `pretrained` stands for. None: not known, or there are none.
    """

    name: str
    parameters: int | None = None
    input_size: int | None = None
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class Backbone:
    """A feature extractor and what must be known to use it rightly.

    `module` maps (N, 3, H, W) float to (N, feature_dim) float, one tensor in train and in eval
    mode. `mean` and `std` are per RGB channel for pixel values in 0..1. `input_size` is the
    side in pixels at which the network was designed to work. `licence` is the SPDX id of the
    pretrained weights; None when there are none.

    `options` are the plugin's options that build the same network again when its weights come
    from a model file: those that only say where pretrained weights are found are left out.
    None: the options that were given.
    """

    module: nn.Module
    feature_dim: int
    input_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    licence: str | None = None
    options: Mapping[str, Any] | None = None


class Triplets(NamedTuple):
    """Index tensors of equal length T into a batch, dtype int64; T may be 0.

    Where `valid` is given, (T,) bool, only its rows that are True are triplets. With it a miner
    can answer in a length that it knows beforehand, so that no GPU waits for the host.
    """

    anchor: torch.Tensor
    positive: torch.Tensor
    negative: torch.Tensor
    valid: torch.Tensor | None = None

    def compact(self) -> Triplets:
        """The valid rows alone."""
        if self.valid is None:
            return self
        return Triplets(*(index[self.valid] for index in self[:3]))


class Miner(Protocol):
    """Chooses triplets: never a negative of the anchor's label, never anchor == positive."""

    def __call__(
        self, embeddings: torch.Tensor, labels: torch.Tensor, similarity: torch.Tensor
    ) -> Triplets:
        """Mine (B, D) unit-length float embeddings with (B,) int64 labels.

        `similarity` is (B, B) float, embeddings @ embeddings.T: the one matrix that the loss uses
        too; it must not be changed. No argument carries a gradient. No valid triplet when none
        exists.
        """


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Face(Record):
    """One detected face: `box` is x1, y1, x2, y2 in pixels of the photo, `score` in 0..1.

    `landmarks` is (5, 2) float32 in pixels (the person's right eye, left eye, nose tip, right
    and left mouth corner), or None when the detector gives none. Coordinates are continuous: the
    photo's upper left corner is (0, 0), the centre of its first pixel (0.5, 0.5).
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: Vector | None = None

    def __repr__(self) -> str:
        box = ", ".join(f"{side:.0f}" for side in self.box)
        known = "no" if self.landmarks is None else "five"
        return f"Face(box=({box}), score={self.score:.2f}, {known} landmarks)"


class Detector(Protocol):
    """Finds faces in photos. facenet calls a detector from one thread at a time.

    A detector may have two attributes more. `working_size`: the longest side, in pixels, of what it
    looks at; facenet hands over larger photos reduced to it, and takes the boxes back to pixels of
    the photo. `licence`: the SPDX id of its weights, None where it is not stated; a detector
    without weights has no such attribute.
    """

    def __call__(self, images: Sequence[Image]) -> list[list[Face]]:
        """Per RGB uint8 image the faces found, best first, boxes inside the image; maybe none.

        The answer for an image does not depend on the others that are given with it.
        """


@dataclass(frozen=True, slots=True)
class Match(Record):
    """One identity of the gallery that a probe was compared with."""

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
    """A store at a glance; `space` is the embedding-space id that it is bound to."""

    backend: str
    identities: int
    samples: int
    embedding_dim: int
    space: str


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
        crops: Sequence[bytes | None] | None = None,
    ) -> int:
        """Add (N, D) samples to an identity, creating it when new; return how many were added.

        `keys` (N, for example content hashes) make enrolment idempotent: a sample whose key
        the identity already holds is not added again. `metadata` is merged over what is there.
        `weights` are (N,) in (0, 1]; None: 1 each. The template becomes the weighted mean of all
        samples, or what `template` makes of them while no one else can change the identity.
        `crops` are for a `CropStore`; a store that is none need not take them. Raises `StoreError`
        for a wrong dimension, a NaN, a zero vector, a weight out of range or an empty name.
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
        """Counts and binding."""

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
    """A store that can keep each sample with the aligned face that it was made of.

    Its `enrol` takes `crops`: (N,) PNG files, each of at most 4 MiB, or None where none is to be
    kept. A crop is added with its sample or, like it, not at all, and is erased with it by
    `forget`. Nothing but `crops` reads them. `StoreError` for another number, for what is not
    `bytes`, and for an empty or a larger file.
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

    def missing(self, *, after: int = 0, limit: int | None = None) -> list[PendingSample]:
        """Samples that it lacks, in order of number, those after a number."""

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


class Frontend(Protocol):
    """A way for people or programs to use a Recognizer: a service, a page, a window."""

    def run(self) -> int:
        """Run until stopped; return the exit code of the process."""
