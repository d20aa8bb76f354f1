"""From samples to tensors: single images, and batches with their augmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.utils.data import Dataset

from facenet.data.augmentation import Augmentation
from facenet.data.folder import Sample
from facenet.data.sampler import Batch
from facenet.imaging import crop_face, decode, whole_image_box


class FaceDataset(Dataset[tuple[torch.Tensor, int]]):
    """Items are ((3, S, S) uint8 RGB image, label); labels number the identities in order."""

    def __init__(self, samples: Sequence[Sample], image_size: int) -> None:
        self.samples = samples
        self.image_size = image_size
        self.identities = sorted({sample.identity for sample in samples})
        numbers = {identity: number for number, identity in enumerate(self.identities)}
        self.labels = [numbers[sample.identity] for sample in samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = decode(self.samples[index].path)
        face = crop_face(image, whole_image_box(image), self.image_size)
        return torch.from_numpy(face.copy()).permute(2, 0, 1), self.labels[index]


class TrainingBatches(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Items are whole batches, ((B, 3, S, S), (B,) int64), augmented with the batch's seed."""

    def __init__(self, faces: FaceDataset, augmentations: Sequence[str] = ()) -> None:
        self.faces = faces
        self.augment = Augmentation(augmentations)

    def __getitem__(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        items = [self.faces[index] for index in batch.indices]
        pixels = torch.stack([image for image, _ in items])
        return self.augment(pixels, batch.seed), torch.tensor([label for _, label in items])
