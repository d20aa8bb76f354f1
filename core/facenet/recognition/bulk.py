"""Many images at once: decoded in parallel, embedded in full batches, failures set aside."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from facenet.errors import ImageError
from facenet.imaging import ImageSource
from facenet.recognition.ahead import map_ahead
from facenet.recognition.cropping import Crop
from facenet.recognition.pipeline import Pipeline

if TYPE_CHECKING:
    from facenet.types import Vector

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Told how many are done, and of how many."""
Source = TypeVar("Source", bound=ImageSource)
Cropped = list[tuple[Source, Crop | ImageError]]
"""Images, each with its aligned face or why there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch(Generic[Source]):
    """The next few images: for each of `sources`, in `outcomes`, its aligned face or why there
    is none; `embeddings` are (N, D), of those N that have one."""

    sources: list[Source]
    outcomes: list[Crop | ImageError]
    embeddings: Vector

    @property
    def found(self) -> list[Source]:
        """The images that have a face, in the order of the embeddings."""
        return [
            source
            for source, outcome in zip(self.sources, self.outcomes, strict=True)
            if isinstance(outcome, Crop)
        ]

    @property
    def crops(self) -> list[Crop]:
        """Their aligned faces."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, Crop)]

    @property
    def failures(self) -> list[str]:
        """One line for each image that is unreadable or shows no face."""
        return [str(outcome) for outcome in self.outcomes if isinstance(outcome, ImageError)]


def embed_batches(
    pipeline: Pipeline, images: Iterable[Source], *, normalize: bool | None = None
) -> Iterator[Batch[Source]]:
    """Embed the most prominent face of each image, `batch_size` images at a time, in order.

    The images may never end. `normalize` gives embeddings unit length; None: as configured.
    """
    for batch in _crop_batches(pipeline, images):
        yield _embedded(pipeline, batch, normalize)


def _embedded(pipeline: Pipeline, batch: Cropped[Source], normalize: bool | None) -> Batch[Source]:
    found = [outcome for _, outcome in batch]
    crops = [outcome for outcome in found if isinstance(outcome, Crop)]
    sources = [source for source, _ in batch]
    return Batch(sources, found, pipeline.embed(crops, normalize=normalize))


def _crop_batches(pipeline: Pipeline, images: Iterable[Source]) -> Iterator[Cropped[Source]]:
    """Batches of images and what came of each.

    The next images are decoded while a GPU embeds; a CPU has enough to do, and two threads that
    decode beside a network slowed both down by a fifth.
    """
    work, size = partial(_crop, pipeline), pipeline.config.batch_size
    if pipeline.model.device.type == "cpu":
        waiting = iter(images)
        while some := list(islice(waiting, size)):
            yield list(map_ahead(work, some, pipeline.config.num_workers, size))
    else:
        outcomes = map_ahead(work, images, pipeline.config.num_workers, size)
        while batch := list(islice(outcomes, size)):
            yield batch


def embed_files(
    pipeline: Pipeline,
    paths: Sequence[Source],
    progress: Progress | None = None,
    *,
    normalize: bool | None = None,
) -> Iterator[Batch[Source]]:
    """As `embed_batches`; `progress` is told how far it is."""
    for batch in crop_files(pipeline, paths, progress):
        yield _embedded(pipeline, batch, normalize)


def crop_files(
    pipeline: Pipeline, paths: Sequence[Source], progress: Progress | None = None
) -> Generator[Cropped[Source], None, None]:
    """The images of each batch of `embed_files`, with what came of them, before they are
    embedded."""
    done = several = 0
    for batch in _crop_batches(pipeline, paths):
        yield batch
        done += len(batch)
        several += sum(isinstance(found, Crop) and found.faces > 1 for _, found in batch)
        if progress:
            progress(done, len(paths))
    if several:
        logger.warning(
            "%d of %d images show several faces; the most prominent of each is used", several, done
        )


def _crop(pipeline: Pipeline, image: Source) -> Crop | ImageError:
    try:
        return pipeline.best_crop(image)
    except ImageError as error:
        return error
