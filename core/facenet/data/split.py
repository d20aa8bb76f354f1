"""Who is trained on, who is held out, and which images measure a model."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from facenet.config import TrainConfig
from facenet.data.folder import IdentityFolder, Sample
from facenet.errors import DataError
from facenet.imaging import files_of_identities

if TYPE_CHECKING:
    from facenet.models import Split


def split_identities(identities: list[str], share: float, seed: int) -> tuple[set[str], set[str]]:
    """Split identities into (training, validation), about `share` of them for validation.

    An identity's side depends on a hash of its name and the seed, so that neither the order of
    the list nor the file system has a say. Both sides get at least two identities.
    """
    if len(identities) < 4:
        raise DataError(f"{len(identities)} identities cannot be split: at least 4 are needed")
    held_out = min(max(2, round(share * len(identities))), len(identities) - 2)
    ranked = sorted(identities, key=lambda name: _hash(seed, name))
    return set(ranked[held_out:]), set(ranked[:held_out])


def training_samples(config: TrainConfig, folder: IdentityFolder) -> list[Sample]:
    """All images of the identities that `config` trains on."""
    names, _ = split_identities(folder.identities, config.data.val_split, config.seed)
    return folder.of(names)


def trained_identities(split: Split, root: Path) -> set[str]:
    """The identities of the folder that a model of this split was trained on; no image is opened.

    A folder that has changed since, or holds images that could not be read, may be taken to be
    split a little differently.
    """
    images = Counter(path.relative_to(root).parts[0] for path in files_of_identities(root))
    names = [name for name, number in images.items() if number >= split.min_images_per_class]
    trained, _ = split_identities(names, split.val_split, split.seed)
    return trained


def validation_samples(config: TrainConfig, folder: IdentityFolder) -> list[Sample]:
    """The images of the held-out identities that a model of `config` is measured on.

    At most `data.val_images_per_class` of each identity: pairs grow with the square of the
    images, and a single person with hundreds would make up most of the genuine pairs. Which
    ones is a matter of a hash of the image's path below the root and the seed.
    """
    _, names = split_identities(folder.identities, config.data.val_split, config.seed)
    samples = folder.of(names)
    most = config.data.val_images_per_class
    if most is None:
        return samples
    by_identity: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_identity[sample.identity].append(sample)

    def place(sample: Sample) -> bytes:
        return _hash(config.seed, sample.path.relative_to(folder.root).as_posix())

    kept = {s for images in by_identity.values() for s in sorted(images, key=place)[:most]}
    return [sample for sample in samples if sample in kept]


def _hash(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()
