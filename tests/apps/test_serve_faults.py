"""The HTTP service when its gallery is not to be had."""

from __future__ import annotations

import base64
from pathlib import Path

import httpx
import pytest

from .test_serve import start, stop

UNREACHABLE = "store: {plugin: pgvector, host: 127.0.0.1, port: 1}\n"


def test_it_verifies_without_its_gallery(trained: Path, faces: Path, tmp_path: Path) -> None:
    config = tmp_path / "inference.yaml"
    config.write_text(f"checkpoint_path: {trained / 'bundle'}\ndevice: cpu\n{UNREACHABLE}")
    image = base64.b64encode((faces / "id-000" / "000.jpg").read_bytes()).decode()
    process, address = start(config)
    with httpx.Client(base_url=address, timeout=60) as client:
        assert client.get("/healthz").json()["status"] == "ok"
        answer = client.post("/verify", json={"image_a": image, "image_b": image})
        assert answer.json()["match"] is True
    stop(process)


def test_a_recognizer_outlives_its_gallerys_server(inference_yaml: Path, faces: Path) -> None:
    psutil = pytest.importorskip("psutil", reason="needs facenet-kit[pgvector]")
    from facenet import Recognizer
    from facenet.config import load_config

    photo = faces / "id-000" / "000.jpg"
    with Recognizer.from_config(load_config(inference_yaml)) as recognizer:
        recognizer.enrol("ann", [photo])
        pid_file = inference_yaml.parent / ".facenet" / "postgres" / "postmaster.pid"
        server = psutil.Process(int(pid_file.read_text().split()[0]))
        for process in (server, *server.children(recursive=True)):
            process.kill()
        [found] = recognizer.search(photo)
        assert [match.identity for match in found.matches] == ["ann"]
