"""The conformance suite, and checks of it, on backbones that are told by name."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterable, Iterator
from datetime import date

import pytest

from facenet.testing import BackboneSuite
from facenet.testing.backbones import check_embedding, check_training
from facenet.types import Backbone

Built = tuple[Backbone, int]
"""A backbone, and the size in pixels that it was built for."""


def of_the_day(names: Iterable[str], how_many: int) -> list[str]:
    """A sample that is the same all day, and over the days reaches every name."""
    shuffled = sorted(names)
    random.Random(0).shuffle(shuffled)
    start = date.today().toordinal() * how_many
    return [shuffled[(start + offset) % len(shuffled)] for offset in range(how_many)]


def check_backbone(backbone: Backbone, image_size: int) -> None:
    """Features of one shape in both modes, finite gradients, and a trace that gives the same."""
    check_training(backbone, image_size)
    check_embedding(backbone, image_size)


class NamedBackboneSuite(BackboneSuite):
    """A subclass is parametrised with `built`, indirectly: with names."""

    @pytest.fixture
    def backbone(self, built: Built) -> Backbone:
        return built[0]

    @pytest.fixture
    def image_size(self, built: Built) -> int:
        return built[1]

    @pytest.fixture(autouse=True)
    def free_the_network(self) -> Iterator[None]:
        """Networks are held in cycles: without this, two of the largest are in memory at once."""
        yield
        gc.collect()
