"""The thin Lightning shell around the embedding network."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from lightning import LightningModule

from facenet.config import TrainConfig, plain_config
from facenet.errors import ModelError, TrainingError
from facenet.models import ModelCard, NetworkSpec, Preprocessing, alignment_of, build_network
from facenet.models.checkpoint import CARD_KEY
from facenet.models.pixels import ToInput
from facenet.models.weights import embedding_space
from facenet.plugins import Registry
from facenet.training.checkpoints import STATE_KEY, RunState
from facenet.training.held_out import split_of
from facenet.training.loss import TripletLoss, triplet_loss
from facenet.training.optimization import learning_rate_factor, make_optimizer
from facenet.training.step import StepFigures
from facenet.training.validation import Validation
from facenet.types import Miner

Batch = tuple[torch.Tensor, torch.Tensor]
"""(B, 3, S, S) pixels and (B,) int64 labels."""


class TripletModule(LightningModule):
    """Batch in, mined triplets, triplet loss; after each epoch verification on held-out people.

    Processes that train together mine one batch, that of all of them.
    """

    _diverged_at: torch.Tensor

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
            image_size=config.data.image_size,
            mean=backbone.mean,
            std=backbone.std,
            alignment=alignment_of(config.data.root),
        )
        self.licence = backbone.licence
        if not config.model.train_backbone:
            self.network.freeze_backbone()
        plugin = Registry().load("miner", config.miner.plugin)
        self.miner: Miner = plugin.make_from(
            config.miner.options, config_dir=config.config_dir, progress=self.progress
        )
        self.to_input = ToInput(self.preprocessing)
        self.batches_seen = 0
        self.figures: StepFigures | None = None
        self._log_every = config.logging.log_every_n_steps
        self._validation = Validation()
        self.register_buffer("_diverged_at", torch.tensor(-1), persistent=False)

    def progress(self) -> float:
        """The share of the run that is done, in 0..1."""
        return self.global_step / max(1, int(self.trainer.estimated_stepping_batches))

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) pixels to (B, D) float32 of unit length."""
        embeddings: torch.Tensor = self.network(self.to_input(images))
        return embeddings.float()

    def training_step(self, batch: Batch, _index: int) -> torch.Tensor:
        images, labels = batch
        # All that is random in a step follows from the seed and the step alone, so that a run that
        # goes on repeats the one that was not interrupted. Dropout differs between processes;
        # mining must not, since all mine the same rows.
        torch.manual_seed(_step_seed(self.config.seed, self.batches_seen, 1 + self.global_rank))
        embeddings = self.network(self.to_input(images), self._of_all_processes).float()
        labels = self._of_all_processes(labels)
        torch.manual_seed(_step_seed(self.config.seed, self.batches_seen, 0))
        with torch.autocast(self.device.type, enabled=False):
            rows = embeddings.detach()
            similarity = rows @ rows.T
            triplets = self.miner(rows, labels, similarity)
            model = self.config.model
            result = triplet_loss(
                embeddings, similarity, triplets, margin=model.margin, distance=model.distance
            )
        self._note_divergence(result.loss)
        self.batches_seen += 1
        # Here alone the host waits for the device.
        if self.completes_step() and (self.global_step + 1) % self._log_every == 0:
            self._stop_if_diverged()
            self._log_figures(result, rows)
        return result.loss

    def completes_step(self) -> bool:
        """Whether the batch at hand is the last one of an optimizer step."""
        done = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        every = self.config.trainer.accumulate_grad_batches
        return bool(done % every == 0 or done >= self.trainer.num_training_batches)

    def validation_step(self, batch: Batch, _index: int) -> None:
        images, labels = batch
        self._validation.add(self.embed(images), labels)

    def on_validation_epoch_end(self) -> None:
        self._stop_if_diverged()
        figures = self._validation.figures(self.trainer.world_size)
        if figures is None:
            raise self._divergence(self.global_step)
        self.log_dict(figures)

    def card(self) -> ModelCard:
        """The card of the network as it is now."""
        return ModelCard(
            space=embedding_space(self.network.state_dict(), self.preprocessing),
            network=self.spec,
            preprocessing=self.preprocessing,
            split=split_of(self.config),
            licence=self.licence,
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._stop_if_diverged()
        for logger in self.loggers:
            logger.save()
        checkpoint[CARD_KEY] = self.card().model_dump(mode="json")
        checkpoint[STATE_KEY] = self._run_state()._asdict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        before = checkpoint[CARD_KEY]["preprocessing"]["alignment"]
        if before != self.preprocessing.alignment:
            raise ModelError(
                f"cannot go on with other faces: the alignment of data.root was {before}, that of "
                f"{self.config.data.root} is {self.preprocessing.alignment}"
            )
        state = RunState(**checkpoint[STATE_KEY])
        self.batches_seen = state.batches_seen
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        data.sampler.seek(state.epoch, state.batch)

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(self.config.optimizer, self.network)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._factor)
        each_step = {"scheduler": scheduler, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": each_step}

    def _factor(self, step: int) -> float:
        total = int(self.trainer.estimated_stepping_batches)
        return learning_rate_factor(self.config.scheduler, step, total)

    def _of_all_processes(self, rows: torch.Tensor) -> torch.Tensor:
        if self.trainer.world_size == 1:
            return rows
        gathered: Any = self.all_gather(rows, sync_grads=True)
        return cast(torch.Tensor, gathered.flatten(0, 1))

    def _log_figures(self, result: TripletLoss, embeddings: torch.Tensor) -> None:
        spread = embeddings.square().sum(dim=1).mean() - embeddings.mean(dim=0).square().sum()
        near, far = result.positive_distance, result.negative_distance
        values = torch.stack([result.loss.detach(), result.active, near, far, spread]).tolist()
        self.figures = StepFigures(*values)
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        row = {f"train_{name}": value for name, value in self.figures._asdict().items()}
        row |= {"lr": rate, "epoch": self.current_epoch}
        for logger in self.loggers:
            logger.log_metrics(row, self.global_step)

    def _run_state(self) -> RunState:
        loop = self.trainer.fit_loop
        epoch, batch = self.current_epoch, loop.epoch_loop.batch_progress.current.ready
        if batch >= self.trainer.num_training_batches:
            epoch, batch = epoch + 1, 0
        return RunState(
            epoch=epoch,
            batch=batch,
            batches_seen=self.batches_seen,
            steps=self.global_step,
            max_epochs=self.config.trainer.max_epochs,
            config=plain_config(self.config),
        )

    def _note_divergence(self, loss: torch.Tensor) -> None:
        """Remember on the device the first step whose loss was no number."""
        first = ~torch.isfinite(loss.detach()) & (self._diverged_at < 0)
        self._diverged_at = torch.where(first, self.global_step, self._diverged_at)

    def _stop_if_diverged(self) -> None:
        step = int(self._diverged_at)
        if step >= 0:
            raise self._divergence(step)

    def _divergence(self, step: int) -> TrainingError:
        rate = self.config.optimizer.lr * self._factor(step)
        return TrainingError(
            f"training diverged: the loss of step {step} was not a number, at learning rate "
            f"{rate:.3g}; lower optimizer.lr (it is {self.config.optimizer.lr:g}) or raise "
            "scheduler.warmup_steps. The checkpoints written before are good"
        )


def _step_seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
