"""The one object that every frontend, the command line and Python users call."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from facenet.config import InferenceConfig, parse_config
from facenet.errors import ImageError, RequestError
from facenet.imaging import ImageSource, crop_face, decode, name_of
from facenet.models import (
    EmbeddingModel,
    find_pretrained,
    load_model,
    publish_bundle,
    resized,
    resolve_device,
    save_bundle,
)
from facenet.plugins import Registry
from facenet.recognition.results import Decision, Enrolment, FaceMatches
from facenet.types import Detector, Face, Receipt, Store

if TYPE_CHECKING:
    from facenet.types import Image, Vector

logger = logging.getLogger(__name__)

NO_THRESHOLD = "not calibrated: no one is named"


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """An aligned face, (S, S, 3) uint8, where it was found, and a key of its content."""

    face: Face
    pixels: Image
    key: str


class Recognizer:
    """Detects, aligns, embeds, verifies, enrols, searches and forgets faces.

    Images are given as path, encoded bytes, Pillow image or (H, W, 3) uint8 RGB array. The store is
    opened when it is first needed; use the recognizer as a context manager, or call `close`.
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
        self._detector = detector
        self._open_store = open_store
        self._store: Store | None = None
        self._lock = threading.Lock()

    @classmethod
    def from_config(cls, config: InferenceConfig) -> Self:
        """Load the model and the plugins that a configuration names.

        Raises `ModelError`, `DeviceError` or `PluginError`.
        """
        registry = Registry()
        device = resolve_device(config.device)
        model = load_model(config.checkpoint_path, device)
        if config.image_size not in (None, model.card.preprocessing.image_size):
            model = resized(model, config.image_size)
        _warn_of_alignment(model.card.preprocessing.alignment, config.detector.plugin)
        detector = registry.load("detector", config.detector.plugin).make_from(
            config.detector.options, config_dir=config.config_dir, device=device.type
        )

        def open_store() -> Store:
            store: Store = registry.load("store", config.store.plugin).make_from(
                config.store.options,
                config_dir=config.config_dir,
                embedding_dim=model.embedding_dim,
                space=model.card.space,
            )
            return store

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
        """Write the model as a bundle; raises `ModelError` when something else is there."""
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
        """The gallery, opened on first use; raises `StoreError` when it cannot be."""
        with self._lock:
            if self._store is None:
                self._store = self._open_store()
            return self._store

    def detect(self, image: ImageSource) -> list[Face]:
        """The faces of a photo, best first, of at least `detection_threshold`; maybe none."""
        return self._faces(decode(image))

    def embed(self, images: Sequence[ImageSource]) -> Vector:
        """(N, D) float32 embeddings of the best face of each of N images.

        They have unit length unless `normalize_embeddings` is false.
        Raises `ImageError` for an image that is broken or has no face.
        """
        return self.embed_crops([self.best_crop(image) for image in images])

    def verify(
        self, image_a: ImageSource, image_b: ImageSource, *, threshold: float | None = None
    ) -> Decision:
        """Decide whether the best faces of two images are one person's.

        The threshold is the one given, else the configured, else the model's calibrated one.
        Raises `RequestError` when there is none, or one outside -1..1: none is invented.
        """
        threshold, origin = self.threshold(threshold)
        crops = [self.best_crop(image_a), self.best_crop(image_b)]
        first, second = self.embed_crops(crops, normalize=True)
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
        """Add the best face of each image to an identity, all or none of them.

        A face that the identity already holds is not added again. Raises `ImageError` for any
        image without a usable face, before anything is written.
        """
        if not images:
            raise RequestError(f"enrol {identity!r}: no image given")
        crops = [self.best_crop(image) for image in images]
        return self.enrol_crops(identity, crops, self.embed_crops(crops), metadata=metadata)

    def search(
        self,
        image: ImageSource,
        *,
        top_k: int = 5,
        min_similarity: float = -1.0,
        threshold: float | None = None,
    ) -> list[FaceMatches]:
        """For every face of a photo, the most similar enrolled identities, best first, and who of
        them it is.

        The threshold of that decision is the one given, else the configured, else the calibrated
        one for a gallery of this size; without any, no one is named. Raises `ImageError` when
        there is no face in the photo.
        """
        if top_k < 1:
            raise RequestError(f"top_k is {top_k}: must be at least 1")
        crops = self._crops(image)
        if not crops:
            raise ImageError(f"{name_of(image)}: no face found")
        decisive = self.known_threshold(threshold, gallery=self.store.count)
        found = self.store.search(
            self.embed_crops(crops), top_k=top_k, min_similarity=min_similarity
        )
        results = [
            FaceMatches(crop.face, tuple(matches), *(decisive or (None, NO_THRESHOLD)))
            for crop, matches in zip(crops, found, strict=True)
        ]
        self.registry.notify("after_search", results=results)
        return results

    def forget(self, identity: str) -> Receipt:
        """Erase all that the store holds on an identity."""
        receipt = self.store.forget(identity)
        self.registry.notify("after_forget", receipt=receipt)
        return receipt

    def threshold(self, given: float | None = None) -> tuple[float, str]:
        """The threshold to decide about two faces with and where it comes from.

        Raises `RequestError` when there is none.
        """
        known = self.known_threshold(given)
        if known is None:
            raise RequestError(
                f"{self.config.checkpoint_path} has no calibrated threshold: give one "
                "(--threshold), set threshold in the configuration, or find one with "
                "`facenet calibrate`"
            )
        return known

    def known_threshold(
        self, given: float | None = None, *, gallery: Callable[[], int] = lambda: 1
    ) -> tuple[float, str] | None:
        """The threshold for a comparison with each of `gallery()` identities and where it comes
        from: given, configured, or calibrated; None when there is none. Only a calibrated one
        asks how large the gallery is.

        Raises `RequestError` for a given one outside of -1..1.
        """
        calibration = self.model.card.calibration
        if given is not None:
            if not -1 <= given <= 1:
                raise RequestError(f"threshold {given}: must be a cosine similarity in -1..1")
            return given, "given"
        if self.config.threshold is not None:
            return self.config.threshold, "configured"
        return calibration.for_gallery(gallery()) if calibration else None

    def best_crop(self, image: ImageSource) -> Crop:
        """The aligned best face of an image; raises `ImageError` when it has none."""
        crops = self._crops(image)
        if not crops:
            raise ImageError(f"{name_of(image)}: no face found")
        if len(crops) > 1:
            logger.warning("%s: %d faces, the best one is used", name_of(image), len(crops))
        return crops[0]

    def embed_crops(self, crops: Sequence[Crop], *, normalize: bool | None = None) -> Vector:
        """(N, D) float32 embeddings of aligned faces, in forward passes of `batch_size`."""
        if not crops:
            return np.empty((0, self.model.embedding_dim), np.float32)
        unit = self.config.normalize_embeddings if normalize is None else normalize
        pixels = np.stack([crop.pixels for crop in crops])
        size = self.config.batch_size
        batches = [pixels[start : start + size] for start in range(0, len(pixels), size)]
        return np.concatenate([self.model.embed(batch, normalize=unit) for batch in batches])

    def enrol_crops(
        self,
        identity: str,
        crops: Sequence[Crop],
        embeddings: Vector,
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> Enrolment:
        """Like `enrol`, for aligned faces whose (N, D) embeddings are known already."""
        added = self.store.enrol(
            identity, embeddings, keys=[crop.key for crop in crops], metadata=metadata
        )
        self.registry.notify("after_enrol", identity=identity, added=added)
        record = self.store.get(identity)
        return Enrolment(identity, added, record.samples if record else 0)

    def close(self) -> None:
        """Close the store; the recognizer can be used again and will reopen it."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _faces(self, image: Image) -> list[Face]:
        [faces] = self._detector([image])
        return [face for face in faces if face.score >= self.config.detection_threshold]

    def _crops(self, source: ImageSource) -> list[Crop]:
        image = decode(source)
        crops = []
        for face in self._faces(image):
            pixels = crop_face(image, face.box, self.model.card.preprocessing.image_size)
            crops.append(Crop(face, pixels, hashlib.sha256(pixels.tobytes()).hexdigest()))
        return crops


def _warn_of_alignment(alignment: str, detector: str) -> None:
    if alignment != "none":
        logger.warning(
            "this model wants alignment %r; detector %s gives boxes, and the centre square of the "
            "box is used: figures are lower than the model's own",
            alignment,
            detector,
        )
