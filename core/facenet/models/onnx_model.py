"""Models that are an ONNX file, computed by onnxruntime: networks of any origin."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from facenet.errors import DeviceError, ModelError
from facenet.models.card import ModelCard, Preprocessing
from facenet.models.model import EmbeddingModel

if TYPE_CHECKING:
    import onnxruntime

    from facenet.types import Image, Vector

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


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
        if normalize:
            lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
            embeddings = embeddings / np.maximum(lengths, np.finfo(np.float32).tiny)
        return embeddings

    def write_weights(self, folder: Path) -> None:
        shutil.copyfile(self.path, folder / self.weights_name)


def open_session(path: Path, device: str) -> onnxruntime.InferenceSession:
    """Load an ONNX embedding network.

    Raises `ModelError` unless it has one input (N, 3, S, S) and one output (N, D), both float32,
    and `DeviceError` when this onnxruntime cannot compute on `device`.
    """
    import onnxruntime

    provider = _PROVIDERS.get(device)
    if provider not in onnxruntime.get_available_providers():
        raise DeviceError(
            f"device {device!r}: the installed onnxruntime cannot use it; set device: cpu"
        )
    try:
        session = onnxruntime.InferenceSession(path, providers=[provider])
    except Exception as error:  # onnxruntime's errors share no base class but this one
        reason = str(error).partition("\n")[0]
        raise ModelError(f"{path}: not an ONNX file that onnxruntime loads: {reason}") from error
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
    """(N, 3, S, S) float32 through the network, `batch` at a time; the last is filled up."""
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
            reason = str(error).partition("\n")[0]
            raise ModelError(f"{path}: does not run on {part.shape} pixels: {reason}") from error
        rows.append(output[: len(part)])
    return np.concatenate(rows)


def onnx_space(path: Path, preprocessing: Preprocessing) -> str:
    """The embedding-space id of an ONNX file with its preprocessing; as `embedding_space`."""
    digest = hashlib.sha256(preprocessing.model_dump_json().encode())
    digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
