"""Models that are an ONNX file, computed by onnxruntime: networks of any origin."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from facenet.errors import DeviceError, ModelError
from facenet.gallery import unit_rows
from facenet.models.card import ModelCard, Preprocessing
from facenet.models.model import EmbeddingModel
from facenet.text import first_line

if TYPE_CHECKING:
    import onnxruntime

    from facenet.types import Image, Vector

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_ERRORS_ONLY = 3  # a severity of onnxruntime's log


class OnnxModel(EmbeddingModel):
    """One input, (N, 3, S, S) float32 pixels; one output, (N, D) float32 embeddings.

    The file may fix N to some number: crops are then given to it that many at a time.
    """

    weights_name: ClassVar[str] = "model.onnx"

    def __init__(self, path: Path, card: ModelCard, device: torch.device | str = "cpu") -> None:
        super().__init__(card, device)
        self.path = path
        self._session = open_session(path, self.device.type)
        self._batch = fixed_batch(self._session)
        prep = card.preprocessing
        # On the scale 0..255, in one multiplication and one addition.
        self._scale = (1 / (255 * np.array(prep.std))).astype(np.float32)[:, None, None]
        self._shift = (-np.array(prep.mean) / np.array(prep.std)).astype(np.float32)[:, None, None]

    def _embed(self, faces: Image, *, normalize: bool) -> Vector:
        pixels = faces.transpose(0, 3, 1, 2) * self._scale + self._shift
        embeddings = run_session(self._session, pixels, self._batch, self.path)
        if embeddings.shape[1] != self.embedding_dim:
            raise ModelError(
                f"{self.path}: gives {embeddings.shape[1]} numbers for a face, and its card says "
                f"{self.embedding_dim}"
            )
        if normalize:
            embeddings = unit_rows(embeddings)
        return embeddings

    def write_weights(self, folder: Path) -> None:
        shutil.copyfile(self.path, folder / self.weights_name)


def open_session(path: Path, device: str) -> onnxruntime.InferenceSession:
    """Load an ONNX embedding network.

    Raises `ModelError` unless it has one input of rank 4 and one output of rank 2, both float32,
    and `DeviceError` when this onnxruntime cannot compute on `device`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    provider = _PROVIDERS.get(device)
    there = set(onnxruntime.get_available_providers()) & {provider}
    try:
        session = onnxruntime.InferenceSession(path, options, providers=list(there))
    except Exception as error:  # onnxruntime's errors share no base class but this one
        raise ModelError(
            f"{path}: not an ONNX file that onnxruntime loads: {first_line(error)}"
        ) from error
    # A provider that cannot start, for want of a library or a GPU, is left out without an error.
    if provider not in session.get_providers():
        raise DeviceError(
            f"device {device!r}: the installed onnxruntime cannot use it; set device: cpu"
        )
    for what, nodes, rank, shape in (
        ("input", session.get_inputs(), 4, "(N, 3, S, S)"),
        ("output", session.get_outputs(), 2, "(N, D)"),
    ):
        found = " and ".join(f"{node.name} {node.shape} {node.type}" for node in nodes)
        if len(nodes) != 1 or len(nodes[0].shape) != rank or nodes[0].type != "tensor(float)":
            raise ModelError(
                f"{path}: its {what} is {found}; an embedding network has one {what}, "
                f"{shape} float32"
            )
    return session


def fixed_batch(session: onnxruntime.InferenceSession) -> int | None:
    """N where the file fixes it; None where any number of faces may be given."""
    [size, *_] = session.get_inputs()[0].shape
    return size if isinstance(size, int) and size > 0 else None


def run_session(
    session: onnxruntime.InferenceSession, pixels: Vector, batch: int | None, path: Path
) -> Vector:
    """(N, 3, S, S) float32 to (N, D) float32, `batch` at a time; the last one is filled up.

    Raises `ModelError` when the network does not take such pixels, or gives something else.
    """
    name = session.get_inputs()[0].name
    step = batch or len(pixels)
    rows = []
    for start in range(0, len(pixels), step):
        part = pixels[start : start + step]
        missing = step - len(part)
        padded = np.pad(part, ((0, missing), *[(0, 0)] * 3)) if missing else part
        try:
            [output] = session.run(None, {name: padded})
        except Exception as error:  # as in open_session
            raise ModelError(
                f"{path}: does not run on pixels of shape {padded.shape}: {first_line(error)}"
            ) from error
        if output.ndim != 2 or len(output) != step:
            raise ModelError(
                f"{path}: gives {output.shape} for {step} faces; an embedding network gives (N, D)"
            )
        rows.append(output[: len(part)])
    return np.concatenate(rows)


def onnx_space(path: Path, preprocessing: Preprocessing) -> str:
    """The embedding-space id of an ONNX file with its preprocessing; as `embedding_space`."""
    digest = hashlib.sha256(preprocessing.model_dump_json().encode())
    digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
