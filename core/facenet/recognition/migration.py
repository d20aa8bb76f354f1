"""Bringing a gallery to another model: its samples are embedded anew, beside the old ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from facenet.curated_stores import CuratedStore, MigratingStore, PendingSample, Successor
from facenet.errors import RequestError
from facenet.imaging import centre_square, files_of_identities, open_photo
from facenet.recognition.bulk import batches_of, crop_batch
from facenet.recognition.cropping import Crop
from facenet.recognition.decisions import DecisionChange, Flip, compare_decisions
from facenet.recognition.enrolment import template_of
from facenet.recognition.pipeline import Pipeline
from facenet.recognition.recognizer import Recognizer
from facenet.records import Record
from facenet.stores import Samples
from facenet.text import count

if TYPE_CHECKING:
    from facenet.types import Image, Progress


@dataclass(frozen=True, slots=True)
class Incomplete(Record):
    """An identity that lacks `missing` of its `samples` in the new space."""

    identity: str
    samples: int
    missing: int

    def __str__(self) -> str:
        how_many = "all" if self.missing == self.samples else self.missing
        return f"{self.identity}: {how_many} of {count(self.samples, 'sample')}"


@dataclass(frozen=True, slots=True)
class Migration(Record):
    """How far a migration is: `done` of `samples` are in the new space. Once all were looked at,
    `incomplete` names the identities of which no usable picture of some sample was found, and
    `change` says what becomes of decisions about the others. `switched`: the gallery is in the new
    space."""

    space: str
    samples: int
    done: int
    incomplete: tuple[Incomplete, ...] = ()
    change: DecisionChange | None = None
    switched: bool = False
    interrupted: bool = False


def migrate(
    recognizer: Recognizer,
    bundle: Path,
    *,
    images: Path | None = None,
    switch: bool = True,
    without_missing: bool = False,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Migration:
    """Embed every sample of the gallery with the model of a bundle, and switch to that.

    The samples are embedded from their kept crops, or from `images`, <identity>/<image> as they
    were enrolled from: each sample is found by what its photo looks like to the present model. A
    run that was stopped or killed goes on where it was. The gallery changes in one transaction in
    the end: not without `switch`, and not while samples are missing, unless `without_missing`
    leaves these in the former collection.

    Raises `RequestError` where the store cannot, or crops do not fit the new model; `ImageError`
    for a damaged crop, `ModelError` for the bundle, `StoreError` as the store does.
    """
    store = _migrating(recognizer)
    own = {
        "checkpoint_path": bundle,
        "image_size": None,
        "threshold": None,
        "device": recognizer.model.device.type,  # chosen, and said, already
    }
    new = Recognizer.from_config(recognizer.config.model_copy(update=own))
    space = new.model.card.space
    if space == recognizer.model.card.space:
        raise RequestError(f"{bundle}: the gallery is in the embedding space of this model already")
    if images is None:
        _check_crops(recognizer, new.pipeline)
    successor = store.successor(new.model.embedding_dim, space)
    faces = (
        _from_crops(successor, new.pipeline)
        if images is None
        else _from_images(successor, recognizer.pipeline, new.pipeline, images)
    )
    finished = _embed(faces, new, successor, progress, stop)
    done, samples = successor.counts()
    report = Migration(space, samples, done, interrupted=not finished)
    if not finished:
        return report
    ready = switch and (done == samples or without_missing)
    change, incomplete = _change(recognizer, new, successor)
    report = replace(report, incomplete=incomplete, change=change, switched=ready)
    if ready:
        template = template_of(recognizer.config)
        successor.switch(template=template, without_missing=without_missing)
    return report


def abandon(recognizer: Recognizer) -> Literal["unfinished", "former"] | None:
    """As `MigratingStore.abandon`; raises `RequestError` where the store cannot."""
    return _migrating(recognizer).abandon()


def _migrating(recognizer: Recognizer) -> MigratingStore:
    store = recognizer.store
    if not isinstance(store, MigratingStore):
        raise RequestError(
            f"the store {recognizer.config.store.plugin!r} cannot bring its gallery to another "
            "model: use one that can, such as pgvector, or enrol everybody anew"
        )
    return store


Faces = Iterator[tuple[list[list[int]], "list[Image]"]]
"""Batches of aligned faces, and of each the numbers of the samples that it stands for."""


def _embed(
    faces: Faces,
    new: Recognizer,
    successor: Successor,
    progress: Progress | None,
    stop: Callable[[], bool],
) -> bool:
    """Embed all, batch by batch; whether it came to the end."""
    for numbers, pixels in faces:
        if pixels:
            vectors = new.model.embed(np.stack(pixels))
            found = zip(numbers, vectors, strict=True)
            successor.add({number: vector for each, vector in found for number in each})
        if progress:
            progress(*successor.counts())
        if stop():
            return False
    return True


def _check_crops(recognizer: Recognizer, new: Pipeline) -> None:
    if recognizer.pipeline.alignment != new.alignment:
        raise RequestError(
            f"the kept crops are aligned as {recognizer.pipeline.alignment!r}, and the new model "
            f"wants {new.alignment!r}: give the photos with --images"
        )


def _from_crops(successor: Successor, new: Pipeline) -> Faces:
    after = 0
    while page := successor.missing(after=after, limit=new.config.batch_size, crops=True):
        after = page[-1].number
        photos = {
            each.number: open_photo(each.crop, name=f"{each.identity}: sample {each.number}")
            for each in page
            if each.crop is not None
        }
        squares = [centre_square(photo, new.size) for photo in photos.values()]
        yield [[number] for number in photos], squares


def _from_images(successor: Successor, old: Pipeline, new: Pipeline, images: Path) -> Faces:
    pending = _by_key(successor.missing())
    for paths in batches_of(files_of_identities(images), new.config.batch_size):
        found = {
            path: pending.pop(crop.key)
            for path, crop in crop_batch(old, paths)
            if isinstance(crop, Crop) and crop.key in pending
        }
        crops = [
            (found[path], crop.pixels)
            for path, crop in crop_batch(new, list(found))
            if isinstance(crop, Crop)
        ]
        yield [numbers for numbers, _ in crops], [pixels for _, pixels in crops]


def _by_key(samples: Sequence[PendingSample]) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = {}
    for sample in samples:
        if sample.key is not None:
            numbers.setdefault(sample.key, []).append(sample.number)
    return numbers


def _change(
    recognizer: Recognizer, new: Recognizer, successor: Successor
) -> tuple[DecisionChange, tuple[Incomplete, ...]]:
    """What the migration does to decisions about the samples of all identities that are whole, and
    which are not."""
    before: dict[str, Samples] = {}
    after: dict[str, Samples] = {}
    incomplete: list[Incomplete] = []
    for record in recognizer.store.identities():
        now, then = recognizer.store.samples(record.identity), successor.samples(record.identity)
        samples = len(now.weights)
        if missing := samples - len(then.weights):
            incomplete.append(Incomplete(record.identity, samples, missing))
        else:
            before[record.identity], after[record.identity] = now, then
    known = [
        each.known_threshold(gallery=lambda: max(len(before), 1)) for each in (recognizer, new)
    ]
    thresholds = tuple(value[0] if value else None for value in known)
    change = compare_decisions(before, after, *thresholds)
    if isinstance(recognizer.store, CuratedStore):
        change = replace(change, flips=_by_number(recognizer.store, change.flips))
    return change, tuple(incomplete)


def _by_number(store: CuratedStore, flips: Sequence[Flip]) -> tuple[Flip, ...]:
    """The same, with the numbers that other commands take instead of places."""
    held = {name: store.holdings(name) for name in {flip.identity for flip in flips}}
    return tuple(
        replace(flip, sample=held[flip.identity][flip.sample].number)
        for flip in flips
        if flip.sample < len(held[flip.identity])  # of one that is not forgotten meanwhile
    )
