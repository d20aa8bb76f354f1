"""Fixtures for all tests: drawn faces, a model trained on them, and the command line."""

from __future__ import annotations

import contextlib
import json
import os
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from facenet.cli import main
from facenet.config import TrainConfig, parse_config
from facenet.drawn_faces import write_faces

# Tests must not differ with what the person who runs them has set.
for name in [name for name in os.environ if name.startswith(("FACENET_", "PG"))]:
    del os.environ[name]
# Before torch is loaded, and for all processes. The networks of the tests are so small that threads
# wait for each other longer than they compute, above all where several processes share the cores.
os.environ["OMP_NUM_THREADS"] = "1"

IDENTITIES, SAMPLES, IMAGE_SIZE = 12, 6, 32
SHARED = Path(__file__).parents[2] / "shared"
REAL_FACES = SHARED / "data"


@dataclass(frozen=True)
class Ran:
    """What one call of the command line gave."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def facenet(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run `facenet ARGUMENTS...` in this process."""

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return Ran(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 12 drawn identities with 6 images each."""
    root = tmp_path_factory.mktemp("faces")
    write_faces(root, identities=IDENTITIES, samples=SAMPLES, size=48)
    return root


@pytest.fixture
def train_values(faces: Path, tmp_path: Path) -> dict[str, Any]:
    """The values of a training configuration that runs in seconds."""
    return small_training(faces, tmp_path / "run")


@pytest.fixture(scope="session")
def trained(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a finished small training run."""
    from facenet import train

    output = tmp_path_factory.mktemp("trained")
    train(parse_config(small_training(faces, output), TrainConfig))
    return output


@pytest.fixture
def inference_yaml(trained: Path, tmp_path: Path) -> Path:
    """An inference configuration over the trained bundle and an embedded PostgreSQL.

    Quality is off: the small model of the tests finds drawn people unlike themselves.
    """
    path = tmp_path / "inference.yaml"
    path.write_text(f"checkpoint_path: {trained / 'bundle'}\ndevice: cpu\nquality: off\n")
    return path


@pytest.fixture(scope="session")
def orl() -> Path:
    """The AT&T faces; skips, visibly, where they are not."""
    return _real_faces("orl")


@pytest.fixture(scope="session")
def lfw() -> Path:
    """The development-training photos of LFW; skips, visibly, where they are not."""
    return _real_faces("lfw_devtrain/images")


@pytest.fixture(scope="session")
def faces_boxes() -> Path:
    """Photos of groups with hand-drawn boxes; skips, visibly, where they are not."""
    return _real_faces("faces_boxes")


@pytest.fixture(scope="session")
def real_models() -> Path:
    """A folder of real weights; skips, visibly, where it is not."""
    if not (SHARED / "models").is_dir():
        pytest.skip("real weights are not here")
    return SHARED / "models"


@pytest.fixture(scope="session")
def foreign_network(real_models: Path) -> Path:
    """An ONNX embedding network of 112 x 112 aligned faces; skips, visibly, where none is."""
    from facenet.errors import ModelError
    from facenet.models.onnx_model import open_session

    for path in sorted(real_models.glob("*.onnx")):
        with contextlib.suppress(ModelError):
            open_session(path, "cpu")
            return path
    pytest.skip("no ONNX embedding network is here")


@pytest.fixture(scope="session")
def aligned_bundle(foreign_network: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That network as a bundle, which wants its faces aligned by five points."""
    from facenet.models import import_onnx, save_bundle

    middle = (127.5, 127.5, 127.5)
    model = import_onnx(
        foreign_network,
        image_size=112,
        color="rgb",
        mean=middle,
        std=middle,
        alignment="five-point",
        licence="LicenseRef-unknown",
    )
    return save_bundle(model, tmp_path_factory.mktemp("aligned") / "bundle")


@pytest.fixture
def full_disk() -> Callable[[int], contextlib.AbstractContextManager[None]]:
    """`with full_disk(300):` no file may grow beyond 300 bytes; writing more fails as on a full
    disk. Within the test alone: what pytest itself writes between its phases may be a file too."""

    @contextlib.contextmanager
    def limited(size: int) -> Iterator[None]:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    return limited


def small_training(faces: Path, output: Path) -> dict[str, Any]:
    return {
        "data": {
            "root": str(faces),
            "image_size": IMAGE_SIZE,
            "classes_per_batch": 4,
            "samples_per_class": 3,
            "num_workers": 0,
            "val_split": 0.34,
        },
        "model": {"backbone": "resnet18", "embedding_dim": 16},
        "scheduler": {"warmup_steps": 2},
        "trainer": {"max_epochs": 2, "accelerator": "cpu", "enable_progress_bar": False},
        "logging": {"output_dir": str(output), "log_every_n_steps": 1},
    }


def _real_faces(folder: str) -> Path:
    if not (REAL_FACES / folder).is_dir():
        pytest.skip(f"real faces are not here: {folder}")
    return REAL_FACES / folder
