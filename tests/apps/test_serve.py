"""The HTTP service: it starts, decides, and stops."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from .services import Running, problem, running, text_of

Face = Callable[..., bytes]


@pytest.fixture(scope="module")
def config(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("serve") / "inference.yaml"
    path.write_text(f"checkpoint_path: {trained / 'bundle'}\ndevice: cpu\nstore: memory\n")
    return path


def test_it_lives_and_is_ready(open_service: Running) -> None:
    response = open_service.client.get("/healthz")
    assert response.status_code == 200
    assert response.json()["status"] == "ok"
    assert open_service.client.get("/readyz").json()["status"] == "ready"
    assert "whoever reaches it may do everything" in open_service.log.read_text()


def test_verify_decides_with_the_calibrated_threshold(open_service: Running, face: Face) -> None:
    image = text_of(face())
    body = open_service.client.post("/verify", json={"image_a": image, "image_b": image}).json()
    assert body["similarity"] == pytest.approx(1, abs=1e-5)
    assert body["match"] is True
    assert body["threshold_origin"].startswith("calibrated: FAR")


def test_verify_takes_a_threshold(open_service: Running, face: Face) -> None:
    images = {"image_a": text_of(face()), "image_b": text_of(face(1))}
    for threshold, match in ((-1, True), (1, False)):
        body = open_service.client.post("/verify", json={**images, "threshold": threshold}).json()
        assert (body["match"], body["threshold"]) == (match, threshold)


def test_the_framework_refuses_with_problems_too(open_service: Running) -> None:
    client = open_service.client
    assert problem(client.get("/verify")) == (405, "method")
    assert problem(client.get("/nowhere")) == (404, "not-found")


def test_it_can_be_stopped_as_soon_as_it_says_that_it_listens(config: Path) -> None:
    with running(config) as service:
        service.stop()


def test_a_taken_port_is_one_line_and_exit_2(facenet, config: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = facenet("serve", "--config", config, "--port", port)
    assert ran.code == 2
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in ran.err


def test_wrong_options_are_named(facenet, config: Path, tmp_path: Path) -> None:
    ran = facenet("serve", "--config", config, "--port", "high")
    assert ran.code == 2
    assert "port: must be" in ran.err
    wrong = tmp_path / "inference.yaml"
    wrong.write_text(config.read_text() + "frontends:\n  serve:\n    prot: 1\n")
    ran = facenet("serve", "--config", wrong)
    assert ran.code == 2
    assert f"{wrong}:6: frontends.serve.prot: unknown key, did you mean 'port'?" in ran.err


@pytest.mark.parametrize("origins", ["example.com", "https://", "https://a.example/page"])
def test_an_origin_that_is_none_is_named(facenet, config: Path, origins: str) -> None:
    ran = facenet("serve", "--config", config, "--cors-origins", origins)
    assert ran.code == 2
    assert re.search(f"cors_origins: .*{re.escape(repr(origins))} is no origin", ran.err)
