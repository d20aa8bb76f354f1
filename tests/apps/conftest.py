"""Services that several modules of tests share, since each takes seconds to start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .services import Running, install_moody, running

MAX_BODY = 400_000
BODY_TIMEOUT = 2


@pytest.fixture(scope="session")
def moody_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_moody(tmp_path_factory.mktemp("site") / "moody")


@pytest.fixture(scope="session")
def serve_config(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A configuration in a folder of its own, with more lines where they are given."""

    def write(more: str = "store: memory") -> Path:
        path = tmp_path_factory.mktemp("serve") / "inference.yaml"
        bundle = f"checkpoint_path: {trained / 'bundle'}"
        path.write_text(f"{bundle}\ndevice: cpu\ndetector: moody\n{more}\n")
        return path

    return write


@pytest.fixture(scope="session")
def open_service(serve_config: Callable[..., Path], moody_site: Path) -> Iterator[Running]:
    """Without keys, with a gallery in memory that its tests share: each takes names of its own."""
    flags = ("--max-body", MAX_BODY, "--body-timeout", BODY_TIMEOUT)
    with running(serve_config(), *flags, PYTHONPATH=str(moody_site)) as service:
        yield service


@pytest.fixture(scope="session")
def face(faces: Path) -> Callable[..., bytes]:
    """The file of a drawn face: one person's, or another's."""

    def read(person: int = 0, sample: int = 0) -> bytes:
        return (faces / f"id-{person:03}" / f"{sample:03}.jpg").read_bytes()

    return read
