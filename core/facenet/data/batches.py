"""Datasets and loaders for training and validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from facenet.config import TrainConfig
from facenet.data.folder import IdentityFolder, Sample, split_identities
from facenet.data.sampler import PKBatchSampler
from facenet.errors import DataError
from facenet.imaging import crop_face, decode, whole_image_box

_AUGMENTATIONS = {
    "flip": lambda size: v2.RandomHorizontalFlip(),
    "color": lambda size: v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.2),
    "crop": lambda size: v2.RandomResizedCrop(
        size, scale=(0.7, 1.0), ratio=(0.9, 1.1), antialias=True
    ),
    "rotation": lambda size: v2.RandomRotation(10, v2.InterpolationMode.BILINEAR),
}


class FaceDataset(Dataset[tuple[torch.Tensor, int]]):
    """Items are ((3, S, S) uint8 RGB image, label); labels number the identities in order."""

    def __init__(
        self, samples: Sequence[Sample], image_size: int, augmentations: Sequence[str] = ()
    ) -> None:
        self.samples = samples
        self.image_size = image_size
        self.identities = sorted({sample.identity for sample in samples})
        numbers = {identity: number for number, identity in enumerate(self.identities)}
        self.labels = [numbers[sample.identity] for sample in samples]
        self.augment = v2.Compose(
            [_AUGMENTATIONS[name](image_size) for name in augmentations] or [v2.Identity()]
        )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = decode(self.samples[index].path)
        face = crop_face(image, whole_image_box(image), self.image_size)
        pixels = torch.from_numpy(face.copy()).permute(2, 0, 1)
        return self.augment(pixels), self.labels[index]


class FaceDataModule(LightningDataModule):
    """Training in P x K batches; validation in plain order, on identities of its own."""

    def __init__(self, config: TrainConfig, folder: IdentityFolder) -> None:
        super().__init__()
        data = config.data
        train_names, val_names = split_identities(folder.identities, data.val_split, config.seed)
        self.config = data
        self.train_set = FaceDataset(
            folder.of(train_names), data.image_size, augmentations=data.augmentations
        )
        self.val_set = FaceDataset(folder.of(val_names), data.image_size)
        if len(self.val_set.samples) == len(val_names):
            raise DataError(f"{folder.root}: no validation identity has two images to compare")
        self.sampler = PKBatchSampler(
            self.train_set.labels,
            classes_per_batch=data.classes_per_batch,
            samples_per_class=data.samples_per_class,
            seed=config.seed,
            shuffle=data.shuffle,
        )

    def train_dataloader(self) -> DataLoader[Any]:
        """Loader of ((P*K, 3, S, S) uint8, (P*K,) int64)."""
        return DataLoader(self.train_set, batch_sampler=self.sampler, **self._workers())

    def val_dataloader(self) -> DataLoader[Any]:
        """Loader of ((B, 3, S, S) uint8, (B,) int64)."""
        size = self.config.images_per_batch
        return DataLoader(self.val_set, batch_size=size, **self._workers())

    def _workers(self) -> dict[str, Any]:
        workers = self.config.num_workers
        return {
            "num_workers": workers,
            "pin_memory": self.config.pin_memory,
            "persistent_workers": self.config.persistent_workers and workers > 0,
        }
