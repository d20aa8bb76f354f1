"""Model bundles: a folder with config.json, model.safetensors and README.md."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from facenet.errors import ModelError
from facenet.models.card import ModelCard
from facenet.models.network import EmbeddingNetwork, build_network
from facenet.models.weights import load_weights
from facenet.paths import checked_output_folder
from facenet.validation import config_error

CONFIG, WEIGHTS, README = "config.json", "model.safetensors", "README.md"


def save_bundle(network: EmbeddingNetwork, card: ModelCard, folder: Path) -> Path:
    """Write a bundle; an existing one is replaced only after the new one is whole.

    Raises `ModelError` when something that is no bundle stands in its place: that is left alone.
    """
    checked_output_folder(folder)
    if folder.exists() and not _may_be_replaced(folder):
        raise ModelError(
            f"{folder}: holds something that is no model bundle; choose another folder"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        weights = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
        save_file(weights, new / WEIGHTS)
        card = card.model_copy(update={"weights_sha256": _sha256(new / WEIGHTS)})
        (new / CONFIG).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (new / README).write_text(_readme(card), encoding="utf-8")
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        new.rename(folder)
    return folder


def load_bundle(folder: Path) -> tuple[EmbeddingNetwork, ModelCard]:
    """Read a bundle back; no pickle is involved.

    Raises `ModelError` when a file is missing or the weights are not those of the card.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: not a model bundle, {name} is missing")
    try:
        card = ModelCard.model_validate_json((folder / CONFIG).read_text(encoding="utf-8"))
    except ValidationError as error:
        raise ModelError(str(config_error(error, ModelCard, str(folder / CONFIG)))) from error
    if _sha256(folder / WEIGHTS) != card.weights_sha256:
        raise ModelError(f"{folder / WEIGHTS}: SHA-256 differs from the one in {CONFIG}")
    try:
        weights = load_file(folder / WEIGHTS)
    except SafetensorError as error:
        raise ModelError(f"{folder / WEIGHTS}: {error}") from error
    network, _, _ = build_network(card.network, image_size=card.preprocessing.image_size)
    load_weights(network, weights, folder / WEIGHTS, card.network.backbone)
    return network, card


def _may_be_replaced(folder: Path) -> bool:
    """Whether a folder is empty, or holds one of our bundles and nothing beside it."""
    names = {path.name for path in folder.iterdir()}
    if not names:
        return True
    if names - {CONFIG, WEIGHTS, README} or CONFIG not in names:
        return False
    try:
        ModelCard.model_validate_json((folder / CONFIG).read_text(encoding="utf-8"))
    except ValidationError:
        return False
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _readme(card: ModelCard) -> str:
    network, prep = card.network, card.preprocessing
    rows = {
        "Backbone": f"`{network.backbone}`",
        "Embedding": f"{network.embedding_dim} numbers, unit length, compared by cosine",
        "Input": f"{prep.image_size} x {prep.image_size} pixels, {prep.color.upper()}, "
        f"alignment `{prep.alignment}`",
        "Normalisation": f"(pixel / 255 - {list(prep.mean)}) / {list(prep.std)}",
        "Embedding space": f"`{card.space}`",
        "Threshold": f"{card.calibration.threshold:.4f} ({card.calibration})"
        if card.calibration
        else "not calibrated",
        "Licence of the weights": card.licence or "not stated",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    figures = "\n".join(
        f"| {name} | {'not supported by the data' if value is None else f'{value:.4f}'} |"
        for name, value in card.metrics.items()
    )
    return (
        f"# Face embedding model {card.space}\n\n| | |\n| --- | --- |\n{table}\n\n"
        f"## Measured on identities unseen in training\n\n| figure | value |\n| --- | --- |\n"
        f"{figures}\n\nLoad it with `Recognizer`: `checkpoint_path` is this folder.\n"
    )
