"""Where a configuration's images come from: their files, or the cache of their pixels."""

from __future__ import annotations

from pathlib import Path

from facenet.config import TrainConfig
from facenet.data.cache import CropCache, open_cache
from facenet.data.folder import IdentityFolder, identity_folder, scan_folder
from facenet.errors import DataError
from facenet.types import Progress

CACHE_HOME = Path(".facenet") / "cache"
"""Below the folder of the configuration file."""


def open_folder(config: TrainConfig, *, progress: Progress | None = None) -> IdentityFolder:
    """The identities of `data.root`; with `data.cache_dataset` also their pixels.

    An existing cache saves decoding anything. Otherwise as `scan_folder`.
    """
    data = config.data
    if not data.root.is_dir():
        raise DataError(
            f"{data.root}: no such folder; data.root names one with a folder of images for each "
            "identity"
        )
    if not data.cache_dataset:
        return scan_folder(data.root, min_images=data.min_images_per_class, progress=progress)
    crops = _open_crops(config, data.root, progress)
    return identity_folder(data.root, crops.paths, crops.problems, data.min_images_per_class, crops)


def crops_of(config: TrainConfig, folder: IdentityFolder) -> CropCache | None:
    """The cache of a folder that was read already; None without `data.cache_dataset`."""
    data = config.data
    if not data.cache_dataset:
        return None
    crops = folder.crops
    if crops and (crops.image_size, crops.precision) == (data.image_size, data.precision):
        return crops
    return _open_crops(config, folder.root, None)


def _open_crops(config: TrainConfig, root: Path, progress: Progress | None) -> CropCache:
    return open_cache(
        root,
        (config.config_dir or Path()) / CACHE_HOME,
        image_size=config.data.image_size,
        precision=config.data.precision,
        progress=progress,
    )
