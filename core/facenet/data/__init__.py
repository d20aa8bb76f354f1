"""Folders of identities, split by identity, sampled in P x K batches."""

from facenet.data.batches import FaceDataModule, FaceDataset
from facenet.data.folder import IdentityFolder, Sample, scan_folder, split_identities
from facenet.data.sampler import PKBatchSampler

__all__ = [
    "FaceDataModule",
    "FaceDataset",
    "IdentityFolder",
    "PKBatchSampler",
    "Sample",
    "scan_folder",
    "split_identities",
]
