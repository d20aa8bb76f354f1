"""Balanced batches: P identities with K images each, shared out to the processes of a run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from facenet.errors import DataError


class Batch(NamedTuple):
    """Which images make a batch, and the seed of everything random that is done to them."""

    indices: tuple[int, ...]
    seed: int


class PKBatchSampler(Sampler[Batch]):
    """Batches of P distinct identities with K images each (Hermans et al. 2017, section 2).

    Identities come round-robin through random permutations, so that each is seen equally often
    however many images it has. Its images are drawn without repetition while it has K of them;
    of fewer, each comes as often as the others, so that two images make two different ones for
    any K. An epoch has as many batches as there are images for.

    P and K are those of one process. In each step the `world_size` processes draw
    world_size x P distinct identities together, and the one of number `rank` takes its P of them:
    W processes with P identities each see the images that one process with W x P would see.

    A batch depends on seed, epoch, its number in the epoch and rank alone, never on what was drawn
    before it; with ``shuffle=False`` not on the epoch either.

    Use as ``DataLoader(dataset, sampler=sampler, batch_size=None)``.
    """

    def __init__(
        self,
        labels: Sequence[int],
        *,
        classes_per_batch: int,
        samples_per_class: int,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.classes_per_batch = classes_per_batch
        self.samples_per_class = samples_per_class
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self._start: Start | None = None
        array = np.asarray(labels, dtype=np.int64)
        self._images = {int(label): np.flatnonzero(array == label) for label in np.unique(array)}
        self._classes_per_step = world_size * classes_per_batch
        if len(self._images) < self._classes_per_step:
            raise DataError(self._too_few_identities())
        self._batches = max(1, round(len(array) / (self._classes_per_step * samples_per_class)))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches come next; Lightning calls this."""
        self.epoch = epoch

    def seek(self, epoch: int, batch: int) -> None:
        """Let the next pass through `epoch` begin at its batch number `batch`, counted from 0.

        Passes after that one begin at 0 again. `len` stays that of a whole epoch.
        """
        self.set_epoch(epoch)
        self._start = Start(epoch, batch)

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[Batch]:
        first = 0
        if self._start is not None and self._start.epoch == self.epoch:
            first, self._start = self._start.batch, None
        key = (self.seed, self.epoch if self.shuffle else 0)
        steps = enumerate(islice(self._identities(key), self._batches))
        for number, identities in islice(steps, first, None):
            yield Batch(
                indices=tuple(self._images_of(identities, (*key, number))),
                seed=_batch_seed(*key, number, self.rank),
            )

    def _identities(self, key: tuple[int, ...]) -> Iterator[list[int]]:
        """The identities of step after step, all processes together."""
        random = np.random.default_rng(key)
        size = self._classes_per_step
        waiting: list[int] = []
        while True:
            chosen, waiting = waiting[:size], waiting[size:]
            if missing := size - len(chosen):
                order = [int(label) for label in random.permutation(list(self._images))]
                fresh = [label for label in order if label not in chosen]
                waiting = fresh[missing:] + chosen
                chosen = chosen + fresh[:missing]
            yield chosen

    def _images_of(self, identities: list[int], key: tuple[int, ...]) -> Iterator[int]:
        """K images of each identity in this process's share of a step.

        Each identity has a random stream of its own, so that no process draws for the others.
        """
        begin = self.rank * self.classes_per_batch
        for place in range(begin, begin + self.classes_per_batch):
            images = self._images[identities[place]]
            random = np.random.default_rng([*key, place])
            rounds = math.ceil(self.samples_per_class / len(images))
            drawn = np.concatenate([random.permutation(images) for _ in range(rounds)])
            yield from drawn[: self.samples_per_class].tolist()

    def _too_few_identities(self) -> str:
        found, size = len(self._images), self.classes_per_batch
        if self.world_size == 1:
            return (
                f"{found} training identities are fewer than classes_per_batch {size}: "
                f"lower data.classes_per_batch to at most {found}, or add identities"
            )
        remedy = "use fewer devices"
        if (most := found // self.world_size) >= 2:
            remedy = f"lower data.classes_per_batch to at most {most}, {remedy}"
        return (
            f"{found} training identities are fewer than classes_per_batch {size} x "
            f"{self.world_size} devices = {self._classes_per_step}: {remedy}, or add identities"
        )


class Start(NamedTuple):
    """Where a pass begins that does not begin at its epoch's first batch."""

    epoch: int
    batch: int


def _batch_seed(*key: int) -> int:
    """63 bits: `torch.Generator` takes a signed 64-bit integer."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))
