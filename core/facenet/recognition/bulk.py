"""Many files at once: decoded in parallel, embedded in full batches, failures set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from facenet.errors import ImageError
from facenet.recognition.recognizer import Crop, Recognizer

if TYPE_CHECKING:
    from facenet.types import Vector

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The next few files: `paths`, their `crops` and (N, D) `embeddings` in one order, and one
    line in `failures` for each file that is unreadable or shows no face."""

    paths: list[Path]
    crops: list[Crop]
    embeddings: Vector
    failures: list[str]


def embed_files(
    recognizer: Recognizer,
    paths: Sequence[Path],
    progress: Progress | None = None,
    *,
    normalize: bool | None = None,
) -> Iterator[Batch]:
    """Embed the best face of each file, `batch_size` files at a time, in order.

    `progress` is told how many files are done, and of how many. `normalize` gives embeddings unit
    length; None: as configured.
    """
    remaining = iter(paths)
    done = 0
    with ThreadPoolExecutor(max(1, recognizer.config.num_workers)) as pool:
        while chunk := list(islice(remaining, recognizer.config.batch_size)):
            batch_paths, crops, failures = [], [], []
            outcomes = pool.map(lambda path: _crop(recognizer, path), chunk)
            for path, outcome in zip(chunk, outcomes, strict=True):
                if isinstance(outcome, Crop):
                    batch_paths.append(path)
                    crops.append(outcome)
                else:
                    failures.append(str(outcome))
            embeddings = recognizer.embed_crops(crops, normalize=normalize)
            yield Batch(batch_paths, crops, embeddings, failures)
            done += len(chunk)
            if progress:
                progress(done, len(paths))


def _crop(recognizer: Recognizer, path: Path) -> Crop | ImageError:
    try:
        return recognizer.best_crop(path)
    except ImageError as error:
        return error
