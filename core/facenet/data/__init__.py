"""Folders of identities, split by identity, sampled in P x K batches."""

from facenet.data.augmentation import Augmentation
from facenet.data.cache import open_cache
from facenet.data.dataset import FaceDataset, TrainingBatches
from facenet.data.folder import IdentityFolder, Sample, scan_folder
from facenet.data.loader import FaceLoader
from facenet.data.module import FaceDataModule
from facenet.data.sampler import Batch, PKBatchSampler
from facenet.data.source import open_folder
from facenet.data.split import (
    split_identities,
    trained_identities,
    training_samples,
    validation_samples,
)

__all__ = [
    "Augmentation",
    "Batch",
    "FaceDataModule",
    "FaceDataset",
    "FaceLoader",
    "IdentityFolder",
    "PKBatchSampler",
    "Sample",
    "TrainingBatches",
    "open_cache",
    "open_folder",
    "scan_folder",
    "split_identities",
    "trained_identities",
    "training_samples",
    "validation_samples",
]
