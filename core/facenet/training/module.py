"""The thin Lightning shell around the embedding network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from lightning import LightningModule
from torch import nn

from facenet.config import TrainConfig
from facenet.errors import DataError, TrainingError
from facenet.evaluation import all_pairs, verification
from facenet.models import ModelCard, NetworkSpec, Preprocessing, build_network
from facenet.models.checkpoint import CARD_KEY
from facenet.models.model import pixel_transform
from facenet.models.weights import embedding_space
from facenet.plugins import Registry
from facenet.training.held_out import split_of
from facenet.training.loss import triplet_margin_loss
from facenet.types import Miner

WARMUP_START = 0.01
"""Share of the learning rate at which warm-up starts."""


class TripletModule(LightningModule):
    """Batch in, mined triplets, triplet loss; after each epoch verification on held-out people."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.config = config
        slot = config.model.backbone
        self.network, backbone, self.spec = build_network(
            NetworkSpec(
                backbone=slot.name,
                options=slot.options,
                embedding_dim=config.model.embedding_dim,
                dropout=config.model.dropout,
            ),
            image_size=config.data.image_size,
            pretrained=config.model.pretrained,
        )
        self.preprocessing = Preprocessing(
            image_size=config.data.image_size, mean=backbone.mean, std=backbone.std
        )
        self.licence = backbone.licence
        if not config.model.train_backbone:
            self.network.freeze_backbone()
        plugin = Registry().load("miner", config.miner.plugin)
        self.miner: Miner = plugin.make_from(
            config.miner.options, config_dir=config.config_dir, progress=self.progress
        )
        self.to_input = pixel_transform(self.preprocessing)
        self._validation: list[tuple[torch.Tensor, torch.Tensor]] = []

    def card(self) -> ModelCard:
        """The card of the network as it is now."""
        return ModelCard(
            space=embedding_space(self.network.state_dict(), self.preprocessing),
            network=self.spec,
            preprocessing=self.preprocessing,
            split=split_of(self.config),
            licence=self.licence,
        )

    def progress(self) -> float:
        """The share of the run that is done, in 0..1."""
        return self.global_step / max(1, int(self.trainer.estimated_stepping_batches))

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) uint8 to (B, D) float of unit length."""
        embeddings: torch.Tensor = self.network(self.to_input(images))
        return embeddings.float()

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> torch.Tensor:
        images, labels = batch
        embeddings = self.embed(images)
        similarity = (embeddings @ embeddings.T).detach()
        triplets = self.miner(embeddings.detach(), labels, similarity)
        loss, active = triplet_margin_loss(embeddings, triplets, self.config.model.margin)
        self.log("train_loss", loss, prog_bar=True, on_step=True, on_epoch=False)
        self.log("train_active", active, prog_bar=True, on_step=True, on_epoch=False)
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> None:
        images, labels = batch
        self._validation.append((self.embed(images).cpu(), labels.cpu()))

    def on_validation_epoch_end(self) -> None:
        embeddings = torch.cat([embedding for embedding, _ in self._validation]).numpy()
        labels = torch.cat([label for _, label in self._validation]).numpy()
        self._validation.clear()
        if not np.isfinite(embeddings).all():
            raise TrainingError(
                f"training diverged before step {self.global_step}: embeddings are not numbers; "
                f"lower optimizer.lr (it is {self.config.optimizer.lr:g})"
            )
        try:
            result = verification(*all_pairs(embeddings, labels))
        except DataError as error:
            raise DataError(
                f"validation on {len(labels)} images: {error}; raise trainer.limit_val_batches "
                "or data.val_split"
            ) from error
        point = result.decision_point()
        self.log("val_auc", result.auc, prog_bar=True)
        self.log("val_accuracy", result.accuracy)
        self.log("val_tar_at_far", point.tar if point else math.nan)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[CARD_KEY] = self.card().model_dump(mode="json")

    def configure_optimizers(self) -> Any:
        optimizer = self._optimizer()
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self._scheduler(optimizer), "interval": "step"},
        }

    def _optimizer(self) -> torch.optim.Optimizer:
        options = self.config.optimizer
        weights = _parameter_groups(self.network, options.weight_decay)
        if options.name == "sgd":
            return torch.optim.SGD(weights, lr=options.lr, momentum=options.momentum)
        kind = torch.optim.AdamW if options.name == "adamw" else torch.optim.Adam
        return kind(weights, lr=options.lr, betas=options.betas)

    def _scheduler(self, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LambdaLR:
        options = self.config.scheduler
        total = int(self.trainer.estimated_stepping_batches)

        def factor(step: int) -> float:
            if options is None:
                return 1.0
            if step < options.warmup_steps:
                return WARMUP_START + (1 - WARMUP_START) * step / options.warmup_steps
            if options.name == "multistep":
                return float(options.gamma ** sum(step >= at for at in options.milestones))
            if options.name == "cosine":
                length = max(1, (options.t_max or total) - options.warmup_steps)
                return 0.5 * (
                    1 + math.cos(math.pi * min(1, (step - options.warmup_steps) / length))
                )
            return 1.0

        return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay is for weights: biases and normalisation parameters are left alone."""
    learning = [p for p in network.parameters() if p.requires_grad]
    return [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
    ]
