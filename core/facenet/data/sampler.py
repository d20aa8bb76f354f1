"""Balanced batches: P identities with K images each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from facenet.errors import DataError


class PKBatchSampler(Sampler[list[int]]):
    """Batches of indices: P distinct identities, K images each (Hermans et al. 2017, section 2).

    Identities come round-robin through random permutations, so that each is seen equally often
    however many images it has. Images of an identity are drawn without repetition while it
    has K of them, with repetition otherwise. An epoch has as many batches as there are images for.
    The batches depend on seed and epoch alone; with ``shuffle=False`` on the seed alone.
    """

    def __init__(
        self,
        labels: Sequence[int],
        *,
        classes_per_batch: int,
        samples_per_class: int,
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        self.classes_per_batch = classes_per_batch
        self.samples_per_class = samples_per_class
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0
        array = np.asarray(labels, dtype=np.int64)
        self._images = {int(label): np.flatnonzero(array == label) for label in np.unique(array)}
        if len(self._images) < classes_per_batch:
            raise DataError(
                f"{len(self._images)} training identities are fewer than "
                f"classes_per_batch {classes_per_batch}: lower it or add identities"
            )
        self._batches = max(1, round(len(array) / (classes_per_batch * samples_per_class)))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches come next; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng([self.seed, self.epoch if self.shuffle else 0])
        waiting: list[int] = []
        for _ in range(self._batches):
            chosen = waiting[: self.classes_per_batch]
            waiting = waiting[self.classes_per_batch :]
            if len(chosen) < self.classes_per_batch:
                order = [int(label) for label in random.permutation(list(self._images))]
                fresh = [label for label in order if label not in chosen]
                missing = self.classes_per_batch - len(chosen)
                waiting = fresh[missing:] + chosen
                chosen = chosen + fresh[:missing]
            yield [index for label in chosen for index in self._draw(random, label)]

    def _draw(self, random: np.random.Generator, label: int) -> list[int]:
        images = self._images[label]
        repeat = len(images) < self.samples_per_class
        return [int(i) for i in random.choice(images, self.samples_per_class, replace=repeat)]
