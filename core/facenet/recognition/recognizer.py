"""The one object that every frontend, the command line and Python users call."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from facenet.config import InferenceConfig, parse_config
from facenet.errors import ImageError, NoFaceError, RequestError
from facenet.imaging import ImageSource, name_of
from facenet.models import EmbeddingModel, find_pretrained, publish_bundle, save_bundle
from facenet.plugins import Registry
from facenet.recognition.abilities import checked_store, filter_of, keeps_crops
from facenet.recognition.ahead import map_ahead
from facenet.recognition.assembly import assemble
from facenet.recognition.bulk import embed_batches
from facenet.recognition.clusters import Clusters, cluster
from facenet.recognition.cropping import Crop
from facenet.recognition.enrolment import Candidates, add, assess
from facenet.recognition.pipeline import Pipeline
from facenet.recognition.results import Decision, Enrolment, FaceMatches
from facenet.recognition.thresholds import NO_THRESHOLD, known_threshold
from facenet.stores import Receipt, Store
from facenet.types import Detector, Face

if TYPE_CHECKING:
    from facenet.types import Progress, Vector

logger = logging.getLogger(__name__)


class Recognizer:
    """Detects, aligns, embeds, verifies, enrols, searches and forgets faces.

    Images are given as path, encoded bytes, Pillow image or (H, W, 3) uint8 RGB array; addresses
    are not fetched. Threads may share a recognizer, and then share the calls of its detector and
    model. The store is opened when it is first needed; use the recognizer as a context manager, or
    call `close`. Made by `from_config` or `from_pretrained`; `model.card` says what the model is,
    `config` is the configuration.

    >>> recognizer = Recognizer.from_pretrained("my-model", detector="yunet")
    >>> recognizer.enrol("Ann", ["ann1.jpg", "ann2.jpg"])
    >>> recognizer.identify("party.jpg").identity
    """

    def __init__(
        self,
        model: EmbeddingModel,
        detector: Detector,
        open_store: Callable[[], Store],
        *,
        config: InferenceConfig,
        registry: Registry,
    ) -> None:
        self.model = model
        self.config = config
        self.registry = registry
        self.pipeline = Pipeline(model, detector, config)
        self._open_store = open_store
        self._store: Store | None = None
        self._lock = threading.Lock()

    @classmethod
    def from_config(cls, config: InferenceConfig) -> Self:
        """Load the model and the plugins that a configuration names.

        Raises `ModelError`, `DeviceError` or `PluginError`, and `ConfigError` for a licence that
        `licences.allow` does not name.
        """
        registry = Registry()
        model, detector, open_store = assemble(config, registry)
        return cls(model, detector, open_store, config=config, registry=registry)

    @classmethod
    def from_pretrained(
        cls, source: str | Path, *, revision: str | None = None, **settings: Any
    ) -> Self:
        """Load a model from a folder, or from a hub by its id, owner/name.

        `revision` is a branch, tag or commit on the hub; `settings` are further keys of an
        inference configuration, such as `device="cpu", store="memory"`. Raises `ModelError` when
        there is no such model, `FacenetError` when the hub cannot be asked, `ConfigError` for
        settings that are wrong, and what `from_config` does.
        """
        if "checkpoint_path" in settings:
            raise RequestError("checkpoint_path: the model is named by `source`; leave it out")
        values = {**settings, "checkpoint_path": find_pretrained(source, revision)}
        return cls.from_config(parse_config(values, InferenceConfig))

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the model as a bundle to `folder` and return it.

        A bundle there is replaced; raises `ModelError` when something else is there.
        """
        return save_bundle(self.model, Path(folder))

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = True,
        revision: str | None = None,
        commit_message: str = "Model bundle of facenet",
    ) -> str:
        """Publish the model as a bundle on a hub, and return its address.

        The gallery stays here. `revision` is a branch, made when missing. Raises `RequestError`
        when the hub refuses, or has a repository of that id that is open to all although `private`
        was asked for; `FacenetError` when it cannot be asked.
        """
        with tempfile.TemporaryDirectory() as scratch:
            bundle = self.save_pretrained(Path(scratch, "bundle"))
            return publish_bundle(
                bundle, repo_id, private=private, revision=revision, commit_message=commit_message
            )

    @property
    def store(self) -> Store:
        """The gallery, opened on first use; raises `StoreError` when it cannot be, `ConfigError`
        when it cannot keep crops although `keep_crops` is set."""
        with self._lock:
            if self._store is None:
                self._store = checked_store(self._open_store(), self.config)
            return self._store

    def detect(self, image: ImageSource) -> list[Face]:
        """The faces of a photo, the most prominent first, of at least `detection_threshold`;
        maybe none."""
        return self.pipeline.faces(self.pipeline.open(image))

    def embed(self, images: Sequence[ImageSource]) -> Vector:
        """(N, D) float32 embeddings of the most prominent face of each of N images.

        They have unit length unless `normalize_embeddings` is false.
        Raises `ImageError` for an image that is broken or has no face.
        """
        return self.pipeline.embed([self._best_crop(image) for image in images])

    def verify(
        self, image_a: ImageSource, image_b: ImageSource, *, threshold: float | None = None
    ) -> Decision:
        """Decide whether the most prominent faces of two images are one person's.

        The threshold is the one given, else the configured, else the model's calibrated one.
        Raises `RequestError` when there is none, or one outside -1..1: none is invented.
        """
        self.threshold(threshold)  # before any work, whether there is one
        crops = [self._best_crop(image) for image in (image_a, image_b)]
        return self.verify_crops(*crops, threshold=threshold)

    def verify_crops(
        self, crop_a: Crop, crop_b: Crop, *, threshold: float | None = None
    ) -> Decision:
        """Like `verify`, for two aligned faces."""
        threshold, origin = self.threshold(threshold)
        first, second = self.pipeline.embed([crop_a, crop_b], normalize=True)
        similarity = float(np.clip(first @ second, -1, 1))
        calibration = self.model.card.calibration
        known = calibration.probability if calibration else None
        return Decision(
            similarity,
            threshold,
            similarity >= threshold,
            origin,
            known.of(similarity) if known else None,
        )

    def enrol(
        self,
        identity: str,
        images: Sequence[ImageSource],
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> Enrolment:
        """Add the most prominent face of each image to an identity, all or none of them.

        A face that the identity already holds is not added again. Raises `ImageError` for any
        image without a usable face, and `QualityError` where the configured `quality` refuses
        one, before anything is written.
        """
        if not images:
            raise RequestError(f"enrol {identity!r}: no image given")
        crops = [self._best_crop(image) for image in images]
        embeddings = self.pipeline.embed(crops)
        candidates = assess(self.store, identity, crops, embeddings, self.config.quality)
        candidates.refuse_any()
        return self._add(identity, candidates, metadata)

    def enrol_crops(self, identity: str, crops: Sequence[Crop], embeddings: Vector) -> Enrolment:
        """Like `enrol`, for aligned faces whose (N, D) embeddings are known already; those that
        are refused are left out, and said in `refused`."""
        candidates = assess(self.store, identity, crops, embeddings, self.config.quality)
        return self._add(identity, candidates, None)

    def search(
        self,
        image: ImageSource,
        *,
        top_k: int = 5,
        min_similarity: float = -1.0,
        threshold: float | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> list[FaceMatches]:
        """For every face of a photo, the most similar enrolled identities, best first, and who of
        them it is.

        `where` leaves only identities whose metadata contains it, as in `where={"team": "red"}`:
        see `Store.search`. The threshold of that decision is the one given, else the configured,
        else the calibrated one for a gallery of this size, whatever part of it is searched; without
        any, no one is named. Raises `NoFaceError` when there is no face in the photo, and
        `StoreError` for a filter that the store cannot take.
        """
        _check_top_k(top_k)
        crops = self.pipeline.crops(image)
        if not crops:
            raise NoFaceError(f"{name_of(image)}: no face found")
        return self.search_crops(
            crops,
            top_k=top_k,
            min_similarity=min_similarity,
            threshold=threshold,
            where=where,
        )

    def search_crops(
        self,
        crops: Sequence[Crop],
        *,
        top_k: int = 5,
        min_similarity: float = -1.0,
        threshold: float | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> list[FaceMatches]:
        """Like `search`, for aligned faces, each with an answer of its own."""
        _check_top_k(top_k)
        decisive = self.known_threshold(threshold, gallery=self.store.count)
        limits = {"top_k": top_k, "min_similarity": min_similarity, **filter_of(self.store, where)}
        found = self.store.search(self.pipeline.embed(crops), **limits)
        results = [
            FaceMatches(crop.face, tuple(matches), *(decisive or (None, NO_THRESHOLD)))
            for crop, matches in zip(crops, found, strict=True)
        ]
        self.registry.notify("after_search", results=results)
        return results

    def identify(self, image: ImageSource, *, threshold: float | None = None) -> FaceMatches:
        """Who the most prominent face of a photo is: its `identity`, or None for someone unknown.

        Raises `RequestError` when there is no threshold to decide with, and `ImageError` when
        there is no face.
        """
        self.threshold(threshold)
        [found] = self.search_crops([self._best_crop(image)], top_k=1, threshold=threshold)
        return found

    def embed_each(
        self, images: Iterable[ImageSource]
    ) -> Iterator[tuple[ImageSource, Vector | ImageError]]:
        """For each image its (D,) embedding, or why there is none; in order, as they are needed.

        The images may be more than fit in memory, and may never end.
        """
        for batch in embed_batches(self.pipeline, images):
            rows = iter(batch.embeddings)
            for image, outcome in zip(batch.sources, batch.outcomes, strict=True):
                yield image, next(rows) if isinstance(outcome, Crop) else outcome

    def search_each(
        self, images: Iterable[ImageSource], **options: Any
    ) -> Iterator[tuple[ImageSource, list[FaceMatches] | ImageError]]:
        """`search` for each image, with its options, or why there is no answer; in order."""

        def answer(image: ImageSource) -> list[FaceMatches] | ImageError:
            try:
                return self.search(image, **options)
            except ImageError as error:
                return error

        return map_ahead(answer, images, self.config.num_workers, self.config.batch_size)

    def cluster(
        self,
        folder: str | Path,
        *,
        threshold: float | None = None,
        progress: Progress | None = None,
    ) -> Clusters:
        """Group all faces of all photos below a folder by person, knowing no one.

        Two groups become one while the mean similarity of their faces reaches the threshold: the
        one given, else the configured, else the calibrated one for that many faces. `progress` is
        called with how many images are done, of how many. Raises `RequestError` where there is no
        threshold.
        """
        return cluster(self, Path(folder), threshold=threshold, progress=progress)

    def kept_crops(self, identity: str) -> list[bytes]:
        """The aligned faces that are kept of an identity, as PNG files in order of enrolment.

        [] where there are none: nobody of that name, none kept (see `keep_crops`), or a store that
        keeps none.
        """
        store = self.store
        crops = store.crops(identity) if keeps_crops(store) else []
        return [crop for crop in crops if crop is not None]

    def forget(self, identity: str) -> Receipt:
        """Erase all that the store holds on an identity, kept crops included.

        The receipt says 0 samples where nobody has the name.
        """
        receipt = self.store.forget(identity)
        self.registry.notify("after_forget", receipt=receipt)
        return receipt

    def threshold(
        self, given: float | None = None, *, gallery: Callable[[], int] = lambda: 1
    ) -> tuple[float, str]:
        """As `known_threshold`; raises `RequestError` when there is none."""
        known = self.known_threshold(given, gallery=gallery)
        if known is None:
            raise RequestError(
                f"{self.config.checkpoint_path} has no calibrated threshold: give one "
                "(--threshold), set threshold in the configuration, or find one with `facenet "
                "calibrate`"
            )
        return known

    def known_threshold(
        self, given: float | None = None, *, gallery: Callable[[], int] = lambda: 1
    ) -> tuple[float, str] | None:
        """The threshold for a comparison with each of `gallery()` identities and where it comes
        from; None when there is none. Raises `RequestError` for a given one outside of -1..1."""
        return known_threshold(self.model.card, self.config, given, gallery)

    def close(self) -> None:
        """Close the store; the recognizer can be used again and will reopen it."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _best_crop(self, image: ImageSource) -> Crop:
        crop = self.pipeline.best_crop(image)
        if crop.faces > 1:
            logger.warning("%s: %d faces, the most prominent is used", crop.source, crop.faces)
        return crop

    def _add(
        self, identity: str, candidates: Candidates, metadata: Mapping[str, Any] | None
    ) -> Enrolment:
        added = add(self.store, identity, candidates.accepted(), self.config, metadata)
        self.registry.notify("after_enrol", identity=identity, added=added)
        record = self.store.get(identity)
        return Enrolment(identity, added, record.samples if record else 0, candidates.refused)


def _check_top_k(top_k: int) -> None:
    if top_k < 1:
        raise RequestError(f"top_k is {top_k}: must be at least 1")
