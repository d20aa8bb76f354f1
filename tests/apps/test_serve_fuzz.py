"""Requests that nobody thought of, and files that were made to harm: never an answer of 5xx, never
a crash, and memory that stays."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from .services import Running, problem, running

CORPUS = Path(__file__).parents[1] / "core" / "hostile_images"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]
MOST_MEMORY = 300 * 2**20
OPERATIONS = {
    *("verify", "detect", "embed", "search", "enrol", "add_samples"),
    *("list_identities", "get_identity", "forget"),
}
"""Those with something to vary."""

Fuzz = Callable[[int], Counter[int]]


@pytest.fixture(scope="module")
def service(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    config = tmp_path_factory.mktemp("fuzz") / "inference.yaml"
    config.write_text(
        f"checkpoint_path: {trained / 'bundle'}\ndevice: cpu\nstore: memory\n"
        "frontends: {serve: {streams: 2}}\n"
    )
    with running(config) as service:
        yield service


def memory(service: Running) -> int:
    return int(psutil.Process(service.process.pid).memory_info().rss)


@pytest.fixture(scope="module")
def idle(service: Running, face: Callable[..., bytes]) -> int:
    """Bytes that the service takes after its first answers."""
    for _ in range(5):
        service.client.post("/v1/search", files={"image": face()})
    return memory(service)


@pytest.fixture(scope="module")
def fuzz(service: Running, face: Callable[..., bytes]) -> Fuzz:
    """Sends about so many requests, some of them right, evenly to all operations; how many of each
    status came back."""
    photo = face()
    files = st.one_of(st.just(photo), st.binary(max_size=200), st.just(photo[:300]))
    schemathesis.openapi.format("byte", files.map(base64.b64encode).map(bytes.decode))
    schemathesis.openapi.format("binary", files)
    schemathesis.openapi.media_type("image/*", files)
    schema = schemathesis.openapi.from_url(f"{service.address}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    varied = [each for each in operations if each.definition.raw["operationId"] in OPERATIONS]
    assert len(varied) == len(OPERATIONS)

    def send(requests: int) -> Counter[int]:
        statuses: Counter[int] = Counter()
        for operation in varied:
            for mode in GenerationMode:

                @settings(
                    max_examples=-(-requests // (2 * len(varied))),
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                )
                @given(operation.as_strategy(generation_mode=mode))
                def ask(case: schemathesis.Case) -> None:
                    response = case.call_and_validate(checks=CHECKS)
                    statuses[response.status_code] += 1

                ask()
        return statuses

    return send


def check(service: Running, idle: int, fuzz: Fuzz, requests: int) -> None:
    statuses = fuzz(requests)
    sys.stdout.write(f"\n{sorted(statuses.items())}, {(memory(service) - idle) / 2**20:.0f} MiB\n")
    assert statuses.total() >= requests
    assert {200, 422} <= set(statuses)
    assert max(statuses) < 500
    assert memory(service) - idle < MOST_MEMORY
    assert service.client.get("/readyz").status_code == 200
    assert not [entry for entry in service.entries() if entry["level"] == "error"]


def test_generated_requests(service: Running, idle: int, fuzz: Fuzz) -> None:
    check(service, idle, fuzz, 2000)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_many_generated_requests(service: Running, idle: int, fuzz: Fuzz) -> None:
    check(service, idle, fuzz, 20_000)


@pytest.mark.parametrize("group", ["hostile", "damaged"])
def test_files_that_were_made_to_harm(
    service: Running, idle: int, group: str, tmp_path: Path
) -> None:
    write = (
        f"import sys; sys.path.insert(0, {str(CORPUS)!r}); import {group}, pathlib\n"
        f"for sample in {group}.samples():\n"
        "    pathlib.Path(sample.name).write_bytes(sample.content)\n"
    )
    subprocess.run([sys.executable, "-c", write], check=True, timeout=300, cwd=tmp_path)
    files = sorted(tmp_path.iterdir())
    assert len(files) >= 100
    for file in files:
        response = service.client.post(
            "/v1/detect", content=file.read_bytes(), headers={"Content-Type": "image/jpeg"}
        )
        if response.status_code != 200:
            assert problem(response)[0] in (413, 422), file.name
        assert memory(service) - idle < MOST_MEMORY, file.name
    assert service.client.get("/readyz").status_code == 200
