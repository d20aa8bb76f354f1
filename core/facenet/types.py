"""What plugins promise and what travels between the parts: Protocols and frozen records.

Importing this module is cheap by design: numpy and torch appear only in annotations.
Array conventions everywhere: images are RGB uint8 of shape (H, W, 3); embeddings are float32 of
shape (D,) or (N, D); similarity is cosine similarity, in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    NamedTuple,
    Protocol,
    get_args,
)

from facenet.records import Record

if TYPE_CHECKING:
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
Progress = Callable[[int, int], None]
"""Told how many are done, and of how many."""
Bars = Callable[[str], AbstractContextManager[Progress]]
"""Opens a bar of that name, for as long as the context lasts."""
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


class Frontend(Protocol):
    """A way for people or programs to use a Recognizer: a service, a page, a window."""

    def run(self) -> int:
        """Run until stopped; return the exit code of the process."""
