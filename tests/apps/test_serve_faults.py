"""The HTTP service when its gallery is not to be had."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .services import Running, picture, problem, running, text_of

UNREACHABLE = "store: {plugin: pgvector, host: 127.0.0.1, port: 1}"
Face = Callable[..., bytes]


def test_it_verifies_without_its_gallery_and_says_what_is_away(
    serve_config: Callable[..., Path], moody_site: Path, face: Face
) -> None:
    pytest.importorskip("psycopg", reason="needs facenet-kit[pgvector]")
    image = text_of(face())
    with running(serve_config(UNREACHABLE), PYTHONPATH=str(moody_site)) as service:
        client = service.client
        assert client.get("/healthz").json()["status"] == "ok"
        answer = client.post("/verify", json={"image_a": image, "image_b": image})
        assert answer.json()["match"] is True
        ready = client.get("/readyz")
        assert problem(ready) == (503, "store")
        assert int(ready.headers["retry-after"]) > 0
        assert "127.0.0.1" not in ready.text
        assert "port" not in ready.text
        _finishes_what_it_accepted(service)


def _finishes_what_it_accepted(service: Running) -> None:
    """Half of a request, the word to stop, the other half: there is an answer, and an end."""
    body = picture()
    head = f"POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(f"{head}Content-Type: image/png\r\n\r\n".encode() + body[:20])
        time.sleep(0.5)  # for the service to have taken it on
        service.process.terminate()
        time.sleep(0.5)  # for the signal to have been heeded
        connection.sendall(body[20:])
        answer = connection.recv(1000)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert service.process.wait(60) == 0
    assert "Traceback" not in service.log.read_text()


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
