"""The HTTP service: a real server process, spoken to over a real socket."""

from __future__ import annotations

import base64
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest


def start(config: Path) -> tuple[subprocess.Popen[str], str]:
    """The service in a process of its own, once it has said what it listens at."""
    process = subprocess.Popen(
        [sys.executable, "-m", "facenet", "serve", "--config", str(config), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    address = re.search(r"listening on (http://127\.0\.0\.1:\d+)", line)
    assert address, line + process.stderr.read()
    return process, address[1]


def stop(process: subprocess.Popen[str]) -> None:
    """Ask it to stop, as a supervisor does; it must do so cleanly."""
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in err


@pytest.fixture(scope="module")
def config(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("serve") / "inference.yaml"
    path.write_text(f"checkpoint_path: {trained / 'bundle'}\ndevice: cpu\nstore: memory\n")
    return path


@pytest.fixture(scope="module")
def service(config: Path) -> Iterator[httpx.Client]:
    process, address = start(config)
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client
    stop(process)


@pytest.fixture
def image(faces: Path) -> str:
    return base64.b64encode((faces / "id-000" / "000.jpg").read_bytes()).decode()


def test_healthz(service: httpx.Client) -> None:
    response = service.get("/healthz")
    assert response.status_code == 200
    assert response.json()["status"] == "ok"


def test_verify_decides_with_the_calibrated_threshold(service: httpx.Client, image: str) -> None:
    body = service.post("/verify", json={"image_a": image, "image_b": image}).json()
    assert body["similarity"] == pytest.approx(1, abs=1e-5)
    assert body["match"] is True
    assert body["threshold_origin"].startswith("calibrated: FAR")


def test_verify_takes_a_threshold(service: httpx.Client, image: str, faces: Path) -> None:
    other = base64.b64encode((faces / "id-001" / "000.jpg").read_bytes()).decode()
    for threshold, match in ((-1, True), (1, False)):
        body = service.post(
            "/verify", json={"image_a": image, "image_b": other, "threshold": threshold}
        ).json()
        assert (body["match"], body["threshold"]) == (match, threshold)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_a": "not base64!"}, "image_a: not valid base64"),
        (
            {"image_b": base64.b64encode(b"text").decode()},
            "image_b: not an image",
        ),
        ({"image_a": ""}, "image_a: is empty"),
        ({"threshold": 2}, "less than or equal to 1"),
        ({"threshold": "high"}, "valid number"),
        ({"image_c": ""}, "image_c"),
        ({"image_a": None}, "image_a"),
    ],
)
def test_bad_input_is_the_clients_fault_and_says_what(
    service: httpx.Client, image: str, change: dict[str, object], message: str
) -> None:
    response = service.post("/verify", json={"image_a": image, "image_b": image, **change})
    assert response.status_code == 422
    assert message in response.text


def test_no_json_is_the_clients_fault(service: httpx.Client) -> None:
    assert service.post("/verify", content=b"{").status_code == 422
    assert service.get("/verify").status_code == 405
    assert service.get("/nowhere").status_code == 404


def test_it_can_be_stopped_as_soon_as_it_says_that_it_listens(config: Path) -> None:
    process, _ = start(config)
    stop(process)


def test_a_taken_port_is_one_line_and_exit_2(facenet, config: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = facenet("serve", "--config", config, "--port", port)
    assert ran.code == 2
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in ran.err


def test_options_are_flags_and_wrong_ones_are_named(facenet, config: Path, tmp_path: Path) -> None:
    assert "--port" in facenet("serve", "--help").out
    ran = facenet("serve", "--config", config, "--port", "high")
    assert ran.code == 2
    assert "port: must be" in ran.err
    wrong = tmp_path / "inference.yaml"
    wrong.write_text(config.read_text() + "frontends:\n  serve:\n    prot: 1\n")
    ran = facenet("serve", "--config", wrong)
    assert ran.code == 2
    assert f"{wrong}:6: frontends.serve.prot: unknown key, did you mean 'port'?" in ran.err
