"""Loaders for training and validation, each process with its own share."""

from __future__ import annotations

from typing import Any

from lightning import LightningDataModule
from torch.utils.data import Subset

from facenet.config import TrainConfig
from facenet.data.dataset import FaceDataset, TrainingBatches
from facenet.data.folder import IdentityFolder
from facenet.data.loader import FaceLoader
from facenet.data.sampler import PKBatchSampler
from facenet.data.source import crops_of
from facenet.data.split import training_samples, validation_samples
from facenet.errors import DataError


class FaceDataModule(LightningDataModule):
    """Training in P x K batches; validation in plain order, on identities of its own.

    Made for one process; with a trainer attached, `setup` gives each process its share. The
    trainer must leave the samplers alone: ``Trainer(use_distributed_sampler=False)``.
    Pixels are of type `data.precision`: uint8 in 0..255, float16 or float32 in 0..1.
    """

    def __init__(self, config: TrainConfig, folder: IdentityFolder) -> None:
        super().__init__()
        data = config.data
        self.seed = config.seed
        self.config = data
        crops = crops_of(config, folder)
        self.train_set, self.val_set = (
            FaceDataset(samples, data.image_size, precision=data.precision, crops=crops)
            for samples in (training_samples(config, folder), validation_samples(config, folder))
        )
        if len(self.val_set.samples) == len(self.val_set.identities):
            raise DataError(f"{folder.root}: no validation identity has two images to compare")
        self.sampler = self._sampler()

    def setup(self, stage: str) -> None:
        """Take this process's share; Lightning calls it before it restores a checkpoint."""
        self.sampler = self._sampler()

    def train_dataloader(self) -> FaceLoader:
        """Loader of ((P*K, 3, S, S), (P*K,) int64), in the batches of `sampler`."""
        batches = TrainingBatches(self.train_set, self.config.augmentations)
        return FaceLoader(batches, sampler=self.sampler, batch_size=None, **self._workers())

    def val_dataloader(self) -> FaceLoader:
        """Loader of ((B, 3, S, S), (B,) int64); the processes' shares are disjoint."""
        share = Subset(self.val_set, range(self._rank, len(self.val_set), self._world_size))
        size = self.config.images_per_batch
        return FaceLoader(share, batch_size=size, **self._workers())

    @property
    def _rank(self) -> int:
        return self.trainer.global_rank if self.trainer else 0

    @property
    def _world_size(self) -> int:
        return self.trainer.world_size if self.trainer else 1

    def _sampler(self) -> PKBatchSampler:
        return PKBatchSampler(
            self.train_set.labels,
            classes_per_batch=self.config.classes_per_batch,
            samples_per_class=self.config.samples_per_class,
            seed=self.seed,
            shuffle=self.config.shuffle,
            rank=self._rank,
            world_size=self._world_size,
        )

    def _workers(self) -> dict[str, Any]:
        workers = self.config.num_workers
        return {
            "num_workers": workers,
            "pin_memory": self.config.pin_memory,
            "persistent_workers": self.config.persistent_workers and workers > 0,
        }
