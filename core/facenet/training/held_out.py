"""Measuring a model on the identities that its training configuration holds out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facenet.config import TrainConfig
from facenet.data import (
    FaceDataset,
    FaceLoader,
    IdentityFolder,
    Sample,
    open_folder,
    validation_samples,
)
from facenet.errors import ModelError
from facenet.evaluation import (
    FARS,
    Embedded,
    Figures,
    IdentificationResult,
    Summary,
    Verification,
    VerificationResult,
    all_pairs_result,
    halves,
    identification_result,
)
from facenet.models import (
    EmbeddingModel,
    ModelCard,
    NetworkSpec,
    Split,
    alignment_of,
    calibration_fars,
    load_model,
    resolve_device,
)
from facenet.models.card import path_sha256

if TYPE_CHECKING:
    from facenet.types import Vector

_DEVICES = {"gpu": "cuda"}
"""Lightning's names of accelerators that are not torch's."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What was measured of a model on the validation images, `samples`: all their pairs, and
    searches with half of each person's images among templates of the other half."""

    card: ModelCard
    pairs: VerificationResult
    searches: IdentificationResult
    samples: tuple[Sample, ...]

    @property
    def summary(self) -> Summary:
        """The figures of verification, with intervals."""
        return self.pairs.summary

    @property
    def verification(self) -> Verification:
        """The figures of verification alone."""
        return self.summary.measured.verification

    @property
    def figures(self) -> Figures:
        """All figures by name."""
        return self.pairs.figures | self.searches.figures


def evaluate(config: TrainConfig, checkpoint: str | Path) -> Evaluation:
    """Measure a checkpoint or bundle on the validation identities of `config`.

    The split is the one that training with this configuration makes. Raises `ModelError` when the
    model's network is not the one that the configuration describes, when the faces of `data.root`
    are not aligned as it wants them, or when it was trained on another split of the same folder:
    some of the identities would not be unseen.
    """
    device = resolve_device(_DEVICES.get(config.trainer.accelerator, config.trainer.accelerator))
    model = load_model(checkpoint, device)
    _refuse_another_network(config, model.card, Path(checkpoint))
    _refuse_another_alignment(config, model.card, Path(checkpoint))
    _refuse_trained_identities(config, model.card, Path(checkpoint))
    folder = open_folder(config)
    return evaluate_model(config, model, folder)


def evaluate_model(
    config: TrainConfig, model: EmbeddingModel, folder: IdentityFolder
) -> Evaluation:
    """Like `evaluate`, for a model and a folder that are loaded already."""
    samples = validation_samples(config, folder)
    dataset = FaceDataset(samples, model.card.preprocessing.image_size, crops=folder.crops)
    step, workers = config.data.images_per_batch, config.data.num_workers
    embeddings = embed_dataset(model, dataset, step, workers)
    data = Embedded(
        [sample.path for sample in dataset.samples],
        [sample.identity for sample in dataset.samples],
        embeddings,
        np.ones(len(embeddings), bool),
    )
    return Evaluation(
        model.card,
        all_pairs_result(data, more_fars=calibration_fars(max(FARS))),
        identification_result(*halves(data)),
        tuple(dataset.samples),
    )


def embed_dataset(
    model: EmbeddingModel, dataset: FaceDataset, batch_size: int, workers: int = 0
) -> Vector:
    """The (N, D) embeddings of all images of a data set, in its order."""
    loader = FaceLoader(dataset, batch_size=batch_size, num_workers=workers)
    return np.concatenate([model.embed(images.permute(0, 2, 3, 1).numpy()) for images, _ in loader])


def _refuse_another_network(config: TrainConfig, card: ModelCard, path: Path) -> None:
    wanted = config.model.backbone.name
    if not isinstance(card.network, NetworkSpec):
        raise ModelError(f"{path}: is an {card.network}, which facenet did not train")
    found = card.network.backbone
    if wanted not in (found, found.rpartition("/")[2], found.partition("/")[0]):
        raise ModelError(
            f"{path}: is a {found}, but model.backbone of the configuration is {wanted}"
        )
    if config.model.embedding_dim != card.network.embedding_dim:
        raise ModelError(
            f"{path}: embedding_dim is {card.network.embedding_dim}, "
            f"but the configuration says {config.model.embedding_dim}"
        )


def _refuse_another_alignment(config: TrainConfig, card: ModelCard, path: Path) -> None:
    root, wanted = config.data.root, card.preprocessing.alignment
    if (found := alignment_of(root)) != wanted:
        raise ModelError(
            f"{path}: wants faces of alignment {wanted}, and those of {root} are of alignment "
            f"{found}: set data.root to a folder like that of its training"
        )


def split_of(config: TrainConfig) -> Split:
    """The record of a configuration's split, kept in the card of what it trains."""
    data = config.data
    return Split(
        folder_sha256=path_sha256(data.root),
        seed=config.seed,
        val_split=data.val_split,
        min_images_per_class=data.min_images_per_class,
    )


def _refuse_trained_identities(config: TrainConfig, card: ModelCard, path: Path) -> None:
    wanted, trained = split_of(config), card.split
    if trained is not None and trained.folder_sha256 == wanted.folder_sha256 and trained != wanted:
        raise ModelError(
            f"{path}: was trained on another split of {config.data.root}, so that it has seen "
            f"some of the identities to be measured; set seed={trained.seed}, "
            f"data.val_split={trained.val_split:g} and "
            f"data.min_images_per_class={trained.min_images_per_class} as in its training"
        )
