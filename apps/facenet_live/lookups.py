"""Who faces are, asked in a thread of its own: the frames of a video wait for no answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from queue import Empty, Full, Queue, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, Self

from facenet.errors import ImageError, StoreError
from facenet.imaging import Photo
from facenet.recognition import Crop, FaceMatches, Recognizer
from facenet.recognition.quality import quality_of, reasons_against
from facenet.types import Face

if TYPE_CHECKING:
    from facenet_live import Options

REST, LONGEST_REST = 1.0, 30.0
"""Seconds for which a store that failed is left alone: twice as long after each failure."""
_CLOSING = 10.0
"""Seconds that the look-up in progress gets to finish when all ends."""


class Answer(NamedTuple):
    """What a look-up found for the face of a track, on a picture of quality `weight` in (0, 1].

    None: the picture was not good enough, or the store did not answer.
    """

    track: int
    result: FaceMatches | None
    weight: float


class Lookups:
    """Embeds faces and searches for them in the gallery, one photo at a time.

    A context; at most one photo waits. A store that fails is asked again after a rest; `failure`
    says why it failed, and is None while it answers.
    """

    def __init__(self, recognizer: Recognizer, options: Options) -> None:
        self._recognizer = recognizer
        self._options = options
        self.failure: str | None = None
        self._error: Exception | None = None
        self._rest, self._resting_until = REST, 0.0
        self._questions: Queue[tuple[Photo, Mapping[int, Face]] | None] = Queue(maxsize=1)
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="look-ups", daemon=True)

    def ask(self, photo: Photo, faces: Mapping[int, Face]) -> bool:
        """Ask for the faces of some tracks, unless others are in the way; whether it was done.

        The photo is left to the look-ups.
        """
        if time.monotonic() < self._resting_until:
            return False
        try:
            self._questions.put_nowait((photo, faces))
        except Full:
            return False
        return True

    def answers(self, patience: float = 0.0) -> Iterator[Answer]:
        """What has been answered since; the first is waited for, `patience` seconds at most.

        Raises what went wrong, other than pictures and the store.
        """
        with suppress(Empty):
            yield self._answers.get(timeout=patience) if patience else self._answers.get_nowait()
            while True:
                yield self._answers.get_nowait()
        if self._error:
            raise self._error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Empty):
            self._questions.get_nowait()
        self._questions.put(None)
        self._thread.join(_CLOSING)

    def _work(self) -> None:
        try:
            while question := self._questions.get():
                for answer in self._looked_up(*question):
                    self._answers.put(answer)
        except Exception as error:  # shown to whoever asks for the next answers
            self._error = error

    def _looked_up(self, photo: Photo, faces: Mapping[int, Face]) -> Iterator[Answer]:
        good: list[tuple[int, Crop, float]] = []
        for track, face in faces.items():
            with suppress(ImageError):  # landmarks that are no face's
                crop = self._recognizer.pipeline.crop(photo, face, len(faces))
                quality = quality_of(crop)
                if not reasons_against(quality, "standard"):
                    good.append((track, crop, quality.weight))
        results = self._searched([crop for _, crop, _ in good])
        found = {
            track: Answer(track, result, weight)
            for (track, _, weight), result in zip(good, results, strict=True)
        }
        yield from (found.get(track, Answer(track, None, 0.0)) for track in faces)

    def _searched(self, crops: list[Crop]) -> list[FaceMatches] | list[None]:
        if not crops:
            return []
        try:
            results = self._recognizer.search_crops(
                crops, top_k=self._options.top_k, min_similarity=self._options.min_similarity
            )
        except StoreError as error:
            self._resting_until = time.monotonic() + self._rest
            self._rest = min(2 * self._rest, LONGEST_REST)
            self.failure = str(error)
            return [None] * len(crops)
        self._rest, self.failure = REST, None
        return results
