"""What pytest finds by itself wherever facenet is installed: the fixture `facenet_registry`."""

from __future__ import annotations

import pytest

from facenet.plugins import Registry


@pytest.fixture(scope="session")
def facenet_registry() -> Registry:
    """All installed plugins, as in `facenet_registry.load("store", "memory")`."""
    return Registry()
