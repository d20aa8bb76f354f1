"""All that must be known to use a model rightly; `config.json` of a bundle."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from facenet.errors import ModelError
from facenet.evaluation import Estimate
from facenet.models.calibration import Calibration
from facenet.stored import Stored
from facenet.types import Alignment
from facenet.validation import config_error

Color = Literal["rgb", "bgr"]


class NetworkSpec(Stored):
    """How to build a network of ours again: `backbone` is `plugin/architecture`."""

    format: Literal["facenet"] = "facenet"
    backbone: str
    options: dict[str, Any] = Field(default_factory=dict)
    embedding_dim: int
    dropout: float = 0.0

    def __str__(self) -> str:
        return self.backbone


class OnnxSpec(Stored):
    """A network that came as an ONNX file; `source` is the name that the file had."""

    format: Literal["onnx"] = "onnx"
    source: str
    embedding_dim: int

    def __str__(self) -> str:
        return f"ONNX network {self.source}"


class Preprocessing(Stored):
    """From a face crop to the network's input: resize to `image_size`, scale to 0..1,
    subtract `mean`, divide by `std` (each per channel in the order of `color`)."""

    image_size: int
    color: Color = "rgb"
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    alignment: Alignment = "none"


class Split(Stored):
    """Which identities a model was trained on: what `split_identities` was given.

    `folder_sha256` is the digest of the folder's absolute path, which a bundle need not tell.
    """

    folder_sha256: str
    seed: int
    val_split: float
    min_images_per_class: int

    def is_of(self, folder: Path) -> bool:
        """Whether this is the split of the folder at that path."""
        return self.folder_sha256 == path_sha256(folder)


class ModelCard(Stored):
    """A model's description; `space` is the id of its embedding space, a hash of weights and
    preprocessing, and `licence` the SPDX id of its weights (None: not stated).

    `measured_on` says on what data `metrics` were measured. `reference` is the embedding of
    `models.reference.reference_face`, by which a bundle proves itself on another machine.
    """

    format_version: Literal[2] = 2
    space: str
    network: Annotated[NetworkSpec | OnnxSpec, Field(discriminator="format")]
    preprocessing: Preprocessing
    weights_sha256: str | None = None
    split: Split | None = None
    calibration: Calibration | None = None
    measured_on: str | None = None
    metrics: dict[str, Estimate] = Field(default_factory=dict)
    licence: str | None = None
    intended_use: str | None = None
    reference: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _check_reference(self) -> Self:
        expected = self.network.embedding_dim
        if self.reference and len(self.reference) != expected:
            raise ValueError(
                f"reference has {len(self.reference)} numbers, an embedding {expected}"
            )
        return self


def path_sha256(path: Path) -> str:
    """The digest of an absolute path."""
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()


def parse_card(values: Any, where: str) -> ModelCard:
    """The card in the plain values of a file; `where` names it in an error.

    Raises `ModelError` when another version of facenet wrote it, or a key of it is wrong.
    """
    version = values.get("format_version") if isinstance(values, dict) else None
    if version is None:
        raise ModelError(f"{where}: not the card of a facenet model, format_version is missing")
    if version != (current := ModelCard.model_fields["format_version"].default):
        raise ModelError(
            f"{where}: has format_version {version!r}, and this facenet reads {current}: "
            "train the model again, or use the facenet that made it"
        )
    try:
        return ModelCard.model_validate(values)
    except ValidationError as error:
        raise ModelError(str(config_error(error, ModelCard, where))) from error
