"""Making a model of an ONNX file of any origin, after it was tried."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facenet.errors import ModelError, RequestError
from facenet.models.card import Color, ModelCard, OnnxSpec, Preprocessing
from facenet.models.onnx_model import OnnxModel, fixed_batch, onnx_space, open_session, run_session
from facenet.models.reference import reference_face
from facenet.spdx import checked_licence
from facenet.types import Alignment

if TYPE_CHECKING:
    import onnxruntime

Channels = tuple[float, float, float]

_SMALLEST_STD = 0.05
"""No pixels on the scale 0..1 are divided by less: what is less is what they are multiplied by."""
_ONE_POINT = 1e-6
"""Unit-length embeddings that differ by no more than this are one."""


def import_onnx(
    path: Path,
    *,
    image_size: int,
    color: Color,
    mean: Channels,
    std: Channels,
    alignment: Alignment,
    licence: str,
    intended_use: str | None = None,
) -> OnnxModel:
    """The model of an ONNX embedding network, which is tried on two faces first.

    `mean` and `std` are on the scale 0..255, per channel in the order of `color`. Raises
    `RequestError` for a mean, std or licence that cannot be meant, and `ModelError` unless the
    file, by itself, is a network from (N, 3, S, S) to (N, D) float32 whose embeddings are finite
    and differ from face to face.
    """
    preprocessing = Preprocessing(
        image_size=image_size,
        color=color,
        mean=_checked_mean(mean),
        std=_checked_std(std),
        alignment=alignment,
    )
    licence = checked_licence(licence)
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    session = open_session(path, "cpu")
    _refuse_another_size(session, image_size, path)
    _refuse_other_files(path)
    blank = np.zeros((1, 3, image_size, image_size), np.float32)
    embedding_dim = run_session(session, blank, fixed_batch(session), path).shape[1]
    card = ModelCard(
        space=onnx_space(path, preprocessing),
        network=OnnxSpec(source=path.name, embedding_dim=embedding_dim),
        preprocessing=preprocessing,
        licence=licence,
        intended_use=intended_use,
    )
    model = OnnxModel(path, card)
    _refuse_useless_embeddings(model)
    return model


def _checked_mean(mean: Channels) -> Channels:
    """On the scale 0..1."""
    for value in mean:
        if not 0 <= value <= 255:
            raise RequestError(f"mean {value:g}: must be on the scale 0..255")
    first, second, third = (value / 255 for value in mean)
    return first, second, third


def _checked_std(std: Channels) -> Channels:
    """On the scale 0..1."""
    for value in std:
        if not 0 < value < np.inf:
            raise RequestError(f"std {value:g}: must be greater than 0, on the scale 0..255")
        if value < 1:
            meant = value * 255 if value >= _SMALLEST_STD else 1 / value
            raise RequestError(
                f"std {value:g}: must be on the scale 0..255, as mean; did you mean {meant:g}?"
            )
    first, second, third = (value / 255 for value in std)
    return first, second, third


def _refuse_another_size(
    session: onnxruntime.InferenceSession, image_size: int, path: Path
) -> None:
    [node] = session.get_inputs()
    _, channels, *sides = node.shape
    if isinstance(channels, int) and channels != 3:
        raise ModelError(
            f"{path}: its input {node.name} is {node.shape}; an embedding network takes "
            "(N, 3, S, S), colours before rows and columns"
        )
    if any(isinstance(side, int) and side != image_size for side in sides):
        raise ModelError(
            f"{path}: takes {sides[0]} x {sides[1]} pixels, and --image-size is {image_size}"
        )


def _refuse_other_files(path: Path) -> None:
    """A bundle takes one file; what else the network needs would be left behind."""
    with tempfile.TemporaryDirectory() as scratch:
        alone = Path(scratch, path.name)
        shutil.copyfile(path, alone)
        try:
            open_session(alone, "cpu")
        except ModelError as error:
            raise ModelError(
                f"{path}: keeps weights in other files (external data), and a bundle takes one; "
                "load it with onnx.load and write it anew with onnx.save"
            ) from error


def _refuse_useless_embeddings(model: OnnxModel) -> None:
    face = reference_face(model.card.preprocessing.image_size)
    embeddings = model.embed(np.stack([face, 255 - face]))
    if not np.isfinite(embeddings).all():
        raise ModelError(f"{model.path}: gives embeddings that are not finite numbers")
    if np.abs(embeddings[0] - embeddings[1]).max() <= _ONE_POINT:
        raise ModelError(f"{model.path}: gives one embedding for two different faces")
