"""The conformance suite on backbones that are told by name."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from facenet.testing import BackboneSuite
from facenet.types import Backbone

Built = tuple[Backbone, int]
"""A backbone, and the size in pixels that it was built for."""


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
