"""Many images at once: decoded in parallel, embedded in full batches, failures set aside."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from facenet.errors import ImageError
from facenet.imaging import ImageSource
from facenet.recognition.ahead import map_ahead
from facenet.recognition.cropping import Crop
from facenet.recognition.pipeline import Pipeline

if TYPE_CHECKING:
    from facenet.types import Progress, Vector

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Source = TypeVar("Source", bound=ImageSource)
Outcome = Crop | ImageError
"""The aligned face of an image, or why there is none."""
Choice = Callable[[Sequence[Any], Sequence[Outcome]], list[int]]
"""Of images and what came of them, the rows that are to be embedded; each must be a `Crop`."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch(Generic[Source]):
    """The next few images: for each of `sources`, in `outcomes`, its aligned face or why there
    is none; `embeddings` are (N, D), of the N `rows` that were chosen."""

    sources: list[Source]
    outcomes: list[Outcome]
    rows: list[int]
    embeddings: Vector

    @property
    def found(self) -> list[Source]:
        """The images that were embedded, in the order of the embeddings."""
        return [self.sources[row] for row in self.rows]

    @property
    def crops(self) -> list[Crop]:
        """Their aligned faces."""
        return crops_of(self.outcomes, self.rows)

    @property
    def failures(self) -> list[str]:
        """One line for each image that is unreadable or shows no face."""
        return [str(outcome) for outcome in self.outcomes if isinstance(outcome, ImageError)]


class Engine(Protocol):
    """Where images become embeddings; `embed_batches` does it in this process.

    Every engine gives the same batches, in the same order. One that works ahead of whoever takes
    them goes by what `choose` says when all batches before have been taken.
    """

    def __call__(
        self,
        pipeline: Pipeline,
        images: Iterable[Source],
        *,
        choose: Choice,
        normalize: bool | None,
    ) -> Generator[Batch[Source], None, None]: ...


def every_face(_sources: Sequence[Any], outcomes: Sequence[Outcome]) -> list[int]:
    """The `Choice` of all that have a face."""
    return [row for row, outcome in enumerate(outcomes) if isinstance(outcome, Crop)]


def crops_of(outcomes: Sequence[Outcome], rows: Sequence[int]) -> list[Crop]:
    """The aligned faces of certain rows."""
    chosen = (outcomes[row] for row in rows)
    return [outcome for outcome in chosen if isinstance(outcome, Crop)]


def embed_batches(
    pipeline: Pipeline,
    images: Iterable[Source],
    *,
    choose: Choice = every_face,
    normalize: bool | None = None,
) -> Generator[Batch[Source], None, None]:
    """Embed the most prominent face of each image, `batch_size` images at a time, in order.

    The images may never end. `normalize` gives embeddings unit length; None: as configured.
    """
    for batch in _crop_batches(pipeline, images):
        sources, outcomes = [source for source, _ in batch], [outcome for _, outcome in batch]
        rows = choose(sources, outcomes)
        embeddings = pipeline.embed(crops_of(outcomes, rows), normalize=normalize)
        yield Batch(sources, outcomes, rows, embeddings)


def embed_files(
    pipeline: Pipeline,
    paths: Sequence[Source],
    progress: Progress | None = None,
    *,
    choose: Choice = every_face,
    normalize: bool | None = None,
    engine: Engine = embed_batches,
) -> Generator[Batch[Source], None, None]:
    """As `embed_batches`, by any engine; `progress` is told how far it is."""
    done = several = 0
    with closing(engine(pipeline, paths, choose=choose, normalize=normalize)) as batches:
        for batch in batches:
            yield batch
            done += len(batch.sources)
            several += sum(isinstance(each, Crop) and each.faces > 1 for each in batch.outcomes)
            if progress:
                progress(done, len(paths))
    if several:
        logger.warning(
            "%d of %d images show several faces; the most prominent of each is used", several, done
        )


def crop_batch(pipeline: Pipeline, images: Sequence[Source]) -> list[tuple[Source, Outcome]]:
    """Images, each with what came of it; they are decoded in parallel."""
    workers = pipeline.config.num_workers
    return list(map_ahead(partial(_crop, pipeline), images, workers, len(images)))


def batches_of(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items, `size` at a time; they may never end."""
    waiting = iter(items)
    while some := list(islice(waiting, size)):
        yield some


def _crop_batches(
    pipeline: Pipeline, images: Iterable[Source]
) -> Iterator[list[tuple[Source, Outcome]]]:
    """Batches of images and what came of each.

    The next images are decoded while a GPU embeds; a CPU has enough to do, and two threads that
    decode beside a network slowed both down by a fifth.
    """
    size = pipeline.config.batch_size
    if pipeline.model.device.type == "cpu":
        for some in batches_of(images, size):
            yield crop_batch(pipeline, some)
    else:
        work, workers = partial(_crop, pipeline), pipeline.config.num_workers
        yield from batches_of(map_ahead(work, images, workers, size), size)


def _crop(pipeline: Pipeline, image: Source) -> Outcome:
    try:
        return pipeline.best_crop(image)
    except ImageError as error:
        return error
