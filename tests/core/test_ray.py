"""Ray embeds what this process would: the same bits, whatever is killed; nothing is said twice."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from facenet.config import InferenceConfig, parse_config
from facenet.errors import ModelError, RequestError
from facenet.recognition import PopulateReport, Recognizer, populate

pytest.importorskip("ray", reason="needs facenet-kit[ray]")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster of one machine with room for two workers."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False}
        )
        yield cluster.address
        cluster.shutdown()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """For the network: so a worker takes one CPU."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def values(trained: Path) -> dict[str, Any]:
    return {
        "checkpoint_path": str(trained / "bundle"),
        "device": "cpu",
        "store": "memory",
        "batch_size": 8,
    }


@pytest.fixture
def recognizer(values: dict[str, Any]) -> Recognizer:
    return recognizer_of(values)


@pytest.fixture
def people(faces: Path, tmp_path: Path) -> Path:
    """All drawn people; one photo comes again much later, one is no image, one is too small."""
    root = tmp_path / "people"
    for photo in sorted(faces.glob("*/*")):
        (root / photo.parent.name).mkdir(parents=True, exist_ok=True)
        (root / photo.parent.name / photo.name).write_bytes(photo.read_bytes())
    first = root / "id-000"
    for number in range(8):
        (first / f"copy-{number}.jpg").write_bytes((first / "000.jpg").read_bytes())
    (root / "id-001" / "bad.jpg").write_text("no image")
    Image.new("RGB", (20, 20)).save(root / "id-002" / "tiny.png")
    return root


def recognizer_of(values: dict[str, Any]) -> Recognizer:
    return Recognizer.from_config(parse_config(values, InferenceConfig))


def populate_on_ray(
    recognizer: Recognizer, people: Path, address: str, **options: Any
) -> PopulateReport:
    from facenet.recognition.on_ray import connected, embed_on_ray

    with connected(address):
        return populate(recognizer, people, engine=embed_on_ray, **options)


def gallery(recognizer: Recognizer) -> dict[str, tuple[bytes, bytes]]:
    """Every bit of every sample."""
    store = recognizer.store
    samples = {each.identity: store.samples(each.identity) for each in store.identities()}
    return {
        name: (each.embeddings.tobytes(), each.weights.tobytes()) for name, each in samples.items()
    }


def workers_of_ray() -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if "ray::_Worker" in " ".join(process.info["cmdline"] or ())
    ]


def test_the_gallery_is_the_same_bit_for_bit_whoever_is_killed(
    recognizer: Recognizer,
    values: dict[str, Any],
    people: Path,
    address: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    killed: list[int] = []

    def kill_one(_done: int, _total: int) -> None:
        if not killed:
            worker = workers_of_ray()[0]
            killed.append(worker.pid)
            worker.send_signal(signal.SIGKILL)

    here = recognizer_of(values)
    expected = populate(here, people)
    assert (expected.images, expected.held) == (82, 8)
    assert {code for failure in expected.failures for code in failure.codes} >= {
        "unreadable",
        "small_face",
    }
    assert populate_on_ray(recognizer, people, address, progress=kill_one) == expected
    assert gallery(recognizer) == gallery(here)
    assert killed
    assert "a worker of Ray died; another does its work" in caplog.messages
    assert capfd.readouterr().out == ""


def test_a_stopped_run_is_finished_without_ray(
    recognizer: Recognizer, people: Path, address: str
) -> None:
    stopped = populate_on_ray(recognizer, people, address, stop=lambda: True)
    assert (stopped.images, stopped.left) == (8, 74)
    assert recognizer.store.stats().samples == stopped.added
    rest = populate(recognizer, people)
    assert (rest.left, rest.added) == (0, recognizer.store.stats().samples - stopped.added)


def test_an_error_of_a_worker_is_the_error_of_the_run(
    recognizer: Recognizer, people: Path, address: str
) -> None:
    moved = recognizer.config.model_copy(update={"checkpoint_path": people / "nothing"})
    recognizer.pipeline.config = moved
    with pytest.raises(ModelError, match="nothing"):
        populate_on_ray(recognizer, people, address)


def test_warnings_of_workers_are_said_once(
    values: dict[str, Any],
    aligned_bundle: Path,
    people: Path,
    address: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    aligned = recognizer_of({**values, "checkpoint_path": str(aligned_bundle)})
    with caplog.at_level(logging.WARNING):
        populate_on_ray(aligned, people, address)
    said = [text for text in caplog.messages if "takes each photo for a face" in text]
    assert len(said) == 1


def test_too_many_threads_for_any_machine_are_refused(
    recognizer: Recognizer, people: Path, address: str
) -> None:
    torch.set_num_threads(64)
    with pytest.raises(RequestError, match="a worker needs 64 CPUs, and no machine has them"):
        populate_on_ray(recognizer, people, address)


# On the command line


def test_embed_writes_the_same_file(
    facenet, inference_yaml: Path, people: Path, address: str, tmp_path: Path
) -> None:
    run = ("embed", people, "--config", inference_yaml, "--output")
    assert facenet(*run, tmp_path / "local.npz").code == 0
    ran = facenet(*run, tmp_path / "ray.npz", "--engine", "ray", "--address", address)
    assert ran.code == 0
    local, ray = (np.load(tmp_path / f"{name}.npz") for name in ("local", "ray"))
    assert ray["images"].tolist() == local["images"].tolist()
    assert ray["embeddings"].tobytes() == local["embeddings"].tobytes()


def test_without_an_address_this_machine_does_it_quietly(
    inference_yaml: Path, faces: Path, tmp_path: Path
) -> None:
    """Of the folder it is run in, by relative paths."""
    run = f"embed faces --config {inference_yaml} --engine ray --json"
    (tmp_path / "faces").symlink_to(faces / "id-000")
    ran = subprocess.run(
        [sys.executable, "-m", "facenet", *run.split()],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "1"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count('"image": "faces/') == 6
    [about_workers, about_progress] = ran.stderr.splitlines()
    assert about_workers.startswith("ray: ")
    assert about_progress.startswith("embedding")


def test_an_address_without_ray_is_refused(facenet, tmp_path: Path) -> None:
    ran = facenet("populate", "--data", tmp_path, "--address", "head:6379")
    assert ran.code == 2
    assert "--address head:6379: is for --engine ray, which was not asked for" in ran.err


def test_where_no_ray_answers_one_line_says_so(facenet, inference_yaml: Path, faces: Path) -> None:
    run = ("embed", faces, "--config", inference_yaml, "--engine", "ray")
    ran = facenet(*run, "--address", "127.0.0.1:1")
    assert ran.code == 2
    assert "facenet: --address 127.0.0.1:1: no Ray can be used: " in ran.err


def test_without_the_extra_its_name_is_said(
    facenet, inference_yaml: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "ray"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "facenet.recognition.on_ray", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    ran = facenet("embed", faces, "--config", inference_yaml, "--engine", "ray")
    assert ran.code == 2
    assert "facenet: 'ray' is not installed: pip install 'facenet-kit[ray]'" in ran.err
