"""From samples to tensors: single images, and batches with their augmentation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from facenet.config.train import PixelType
from facenet.data.augmentation import Augmentation
from facenet.data.cache import CropCache
from facenet.data.folder import Sample, read_crop
from facenet.data.precision import as_type
from facenet.data.sampler import Batch


class FaceDataset(Dataset[tuple[torch.Tensor, int]]):
    """Items are ((3, S, S) RGB image, label); labels number the identities in order.

    Pixels are of type `precision`: uint8 in 0..255, float16 or float32 in 0..1. They are read from
    `crops` where its images have the size that is asked for, and decoded otherwise.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        image_size: int,
        *,
        precision: PixelType = "uint8",
        crops: CropCache | None = None,
    ) -> None:
        self.samples = samples
        self.image_size = image_size
        self.identities = sorted({sample.identity for sample in samples})
        numbers = {identity: number for number, identity in enumerate(self.identities)}
        self.labels = [numbers[sample.identity] for sample in samples]
        self.precision = precision
        self._crops = crops if crops and crops.image_size == image_size else None
        if self._crops:
            self._rows = self._crops.rows([sample.path for sample in samples])

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.pixels([index])[0], self.labels[index]

    def pixels(self, indices: Sequence[int]) -> torch.Tensor:
        """(B, 3, S, S) of some images."""
        if self._crops:
            crops = self._crops.take(self._rows[list(indices)])
        else:
            paths = [self.samples[index].path for index in indices]
            crops = np.stack([read_crop(path, self.image_size) for path in paths])
        return as_type(torch.from_numpy(crops), self.precision).permute(0, 3, 1, 2)


class TrainingBatches(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Items are whole batches, ((B, 3, S, S), (B,) int64), augmented with the batch's seed."""

    def __init__(self, faces: FaceDataset, augmentations: Sequence[str] = ()) -> None:
        self.faces = faces
        self.augment = Augmentation(augmentations)

    def __getitem__(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = self.faces.pixels(batch.indices)
        labels = torch.tensor([self.faces.labels[index] for index in batch.indices])
        return self.augment(pixels, batch.seed), labels
