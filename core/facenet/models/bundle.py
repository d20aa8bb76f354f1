"""Model bundles: a folder with config.json, the weights, and README.md."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from facenet.errors import ModelError
from facenet.models.card import ModelCard, NetworkSpec, parse_card
from facenet.models.model import EmbeddingModel
from facenet.models.network import build_network
from facenet.models.onnx_model import OnnxModel, onnx_space
from facenet.models.readme import render_readme
from facenet.models.reference import reference_face
from facenet.models.torch_model import TorchModel
from facenet.models.weights import embedding_space, load_weights
from facenet.paths import checked_output_folder, sha256_of, write_whole

if TYPE_CHECKING:
    from facenet.types import Vector

CONFIG, README = "config.json", "README.md"
WEIGHTS = (TorchModel.weights_name, OnnxModel.weights_name)


def save_bundle(model: EmbeddingModel, folder: Path) -> Path:
    """Write a bundle; an existing one is replaced only after the new one is whole.

    What was measured and recorded of the model goes with it; the hash of the weights and the
    embedding of the reference face are found anew. Raises `ModelError` when something that is no
    bundle stands in its place: that is left alone.
    """
    checked_bundle_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        model.write_weights(new)
        card = model.card.model_copy(
            update={
                "weights_sha256": sha256_of(new / model.weights_name),
                "reference": tuple(reference_embedding(model).tolist()),
            }
        )
        _write_card(card, new)
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        new.rename(folder)
    return folder


def checked_bundle_folder(folder: Path) -> Path:
    """A path at which a bundle can be written, in the place of one that is there.

    Raises `RequestError` as `checked_output_folder`, and `ModelError` when something that is no
    bundle stands there.
    """
    checked_output_folder(folder)
    if folder.exists() and not _may_be_replaced(folder):
        raise ModelError(
            f"{folder}: holds something that is no model bundle; choose another folder"
        )
    return folder


def load_bundle(folder: Path, device: torch.device | str = "cpu") -> EmbeddingModel:
    """Read a bundle back; no pickle is involved.

    Raises `ModelError` when a file is missing, the weights are not those of the card, or its
    preprocessing was changed.
    """
    card = read_card(folder)
    ours = isinstance(card.network, NetworkSpec)
    path = folder / (TorchModel if ours else OnnxModel).weights_name
    if not path.is_file():
        raise ModelError(f"{folder}: not a model bundle, {path.name} is missing")
    if sha256_of(path) != card.weights_sha256:
        raise ModelError(f"{path}: SHA-256 differs from the one in {CONFIG}")
    if isinstance(card.network, NetworkSpec):
        return _load_network(path, card, card.network, device)
    _refuse_another_space(folder, card, onnx_space(path, card.preprocessing))
    return OnnxModel(path, card, device)


def read_card(folder: Path) -> ModelCard:
    """The card of a bundle, without its weights; raises `ModelError` for what is no bundle."""
    path = folder / CONFIG
    if not path.is_file():
        raise ModelError(f"{folder}: not a model bundle, {CONFIG} is missing")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of the text or of the JSON
        raise ModelError(f"{path}: not a model bundle, {CONFIG} is not JSON: {error}") from error
    return parse_card(values, str(path))


def update_card(folder: Path, changes: Mapping[str, Any]) -> ModelCard:
    """Change what a bundle says of itself, README.md included; its weights stay.

    Raises `pydantic.ValidationError` for a change that is no field of a card.
    """
    card = ModelCard.model_validate({**dict(read_card(folder)), **changes})
    _write_card(card, folder)
    return card


def reference_embedding(model: EmbeddingModel) -> Vector:
    """(D,) float32 of unit length: what the model makes of the made-up reference face."""
    face = reference_face(model.card.preprocessing.image_size)
    embedding: Vector = model.embed(face[None])[0]
    return embedding


def _load_network(
    path: Path, card: ModelCard, spec: NetworkSpec, device: torch.device | str
) -> TorchModel:
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise ModelError(f"{path}: {error}") from error
    _refuse_another_space(path.parent, card, embedding_space(weights, card.preprocessing))
    network, _, _ = build_network(spec, image_size=card.preprocessing.image_size)
    load_weights(network, weights, path, spec.backbone)
    return TorchModel(network, card, device)


def _refuse_another_space(folder: Path, card: ModelCard, space: str) -> None:
    if card.space != space:
        raise ModelError(
            f"{folder / CONFIG}: says embedding space {card.space}, but its weights and "
            f"preprocessing make {space}: the preprocessing was changed"
        )


def _write_card(card: ModelCard, folder: Path) -> None:
    """Write both files of a card, each whole or not at all."""
    for name, text in (
        (README, render_readme(card)),
        (CONFIG, card.model_dump_json(indent=2) + "\n"),
    ):
        write_whole(folder / name, text.encode())


def _may_be_replaced(folder: Path) -> bool:
    """Whether a folder is empty, or holds one of our bundles and nothing beside it."""
    names = {path.name for path in folder.iterdir()}
    if not names:
        return True
    if names - {CONFIG, *WEIGHTS, README} or CONFIG not in names:
        return False
    try:
        read_card(folder)
    except ModelError:
        return False
    return True
