"""Several processes behind one address, which share nothing but the gallery."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from facenet.serving import Listener

from .services import PATIENCE, Running, running

psutil = pytest.importorskip("psutil", reason="needs facenet-kit[pgvector]")
pytest.importorskip("psycopg", reason="needs facenet-kit[pgvector]")


@pytest.fixture(scope="module")
def two(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Two workers over one gallery."""
    folder = tmp_path_factory.mktemp("workers")
    config = folder / "inference.yaml"
    config.write_text(
        f"checkpoint_path: {trained / 'bundle'}\ndevice: cpu\nquality: 'off'\n"
        f"store: {{plugin: pgvector, data_dir: {folder / 'postgres'}}}\n"
    )
    with running(config, "--workers", 2) as service:
        yield service


def workers(service: Running) -> set[int]:
    """The processes that hold a model."""
    found = set()
    for child in psutil.Process(service.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # a zombie is none either
            if "spawn_main" in " ".join(child.cmdline()):
                found.add(child.pid)
    return found


def ask_each(service: Running, path: str) -> None:
    """On many connections, so that each worker has some."""
    for _ in range(30):
        with httpx.Client(base_url=service.address, timeout=PATIENCE) as client:
            assert client.get(path).status_code == 200


def test_what_one_worker_enrols_every_worker_finds(two: Running, faces: Path) -> None:
    photo = ("face.jpg", (faces / "id-000" / "000.jpg").read_bytes())
    enrolled = two.client.post("/v1/identities", data={"identity": "ann"}, files={"images": photo})
    assert enrolled.status_code == 201
    for _ in range(10):
        with httpx.Client(base_url=two.address, timeout=PATIENCE) as client:
            [face] = client.post("/v1/search", files={"image": photo}).json()["faces"]
        assert face["matches"][0]["identity"] == "ann"


def test_metrics_are_those_of_all_workers(two: Running) -> None:
    ask_each(two, "/healthz")
    counted = [
        float(line.rpartition(" ")[2])
        for line in two.client.get("/metrics").text.splitlines()
        if line.startswith('facenet_requests_total{method="GET",route="/healthz"')
    ]
    assert sum(counted) >= 30


def test_a_worker_that_is_killed_is_replaced(two: Running) -> None:
    before = workers(two)
    assert len(before) == 2
    os.kill(min(before), signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        now = workers(two)
        if len(now) == 2 and now != before:
            break
        time.sleep(0.2)
    else:
        pytest.fail("no worker took its place")
    ask_each(two, "/readyz")


def test_all_end_when_the_service_is_stopped(two: Running) -> None:
    held = [psutil.Process(pid) for pid in workers(two)]
    two.stop()
    assert len(held) == 2
    assert not any(process.is_running() for process in held)


def test_what_waited_in_a_worker_that_is_dead_waits_no_more(tmp_path: Path) -> None:
    end = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    metrics = "from facenet_serve.metrics import Metrics; metrics = Metrics(); "
    for number, rest in enumerate(
        (f"metrics.waiting(5); {end}", "metrics.waiting(2); print(metrics.text().decode())")
    ):
        ran = subprocess.run(
            [sys.executable, "-c", metrics + rest],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert ran.returncode == (-signal.SIGKILL, 0)[number], ran.stderr
    assert "facenet_queue_requests 2.0" in ran.stdout


def test_a_service_may_run_beside_the_main_thread() -> None:
    class AnnouncedError(Exception):
        pass

    def announce() -> None:
        raise AnnouncedError

    with ThreadPoolExecutor(1) as pool, pytest.raises(AnnouncedError):
        pool.submit(Listener("127.0.0.1", 0).run, None, announce=announce).result()


def test_workers_that_cannot_start_end_the_service() -> None:
    script = (
        "import json\nfrom functools import partial\nfrom facenet.errors import FrontendError\n"
        "from facenet.serving import Listener\n"
        "if __name__ == '__main__':\n"
        "    listener = Listener('127.0.0.1', 0)\n"
        "    try:\n"
        "        listener.run_workers(partial(json.loads, '{'), 2, announce=lambda: None)\n"
        "    except FrontendError as error:\n"
        "        print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE
    )
    assert ran.stdout == "a process of the service cannot start: the log says why\n", ran.stderr
    assert "the application cannot be made" in ran.stderr
    assert "JSONDecodeError" in ran.stderr
