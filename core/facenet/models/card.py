"""All that must be known to use a model rightly; `config.json` of a bundle."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkSpec(_Record):
    """How to build the network again: `backbone` is `plugin/architecture`."""

    backbone: str
    options: dict[str, Any] = Field(default_factory=dict)
    embedding_dim: int
    dropout: float = 0.0


class Preprocessing(_Record):
    """From a face crop to the network's input: resize to `image_size`, scale to 0..1,
    subtract `mean`, divide by `std` (each per channel in the order of `color`)."""

    image_size: int
    color: Literal["rgb"] = "rgb"
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    alignment: Literal["none"] = "none"


class Split(_Record):
    """Which identities a model was trained on: what `split_identities` was given.

    `folder_sha256` is the digest of the folder's absolute path, which a bundle need not tell.
    """

    folder_sha256: str
    seed: int
    val_split: float
    min_images_per_class: int


class Calibration(_Record):
    """A similarity threshold and the false accept rate it was measured to have."""

    threshold: float
    far: float
    impostor_pairs: int
    data: str

    def __str__(self) -> str:
        return f"FAR {self.far:g} on {self.impostor_pairs:,} impostor pairs of {self.data}"


class ModelCard(_Record):
    """A model's description; `space` is the id of its embedding space, a hash of weights and
    preprocessing, and `licence` the SPDX id of its weights (None: not stated)."""

    format_version: Literal[1] = 1
    space: str
    network: NetworkSpec
    preprocessing: Preprocessing
    weights_sha256: str | None = None
    split: Split | None = None
    calibration: Calibration | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    licence: str | None = None
