"""The HTTP service as those see it who run it: metrics, log, headers, load, traces."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("prometheus_client", reason="needs facenet-kit[serve]")

from prometheus_client.parser import text_string_to_metric_families

from .moody_detector import SLOW_SECONDS
from .services import Running, picture, problem, running, text_of

Face = Callable[..., bytes]
NAME = "Rosalind Überall"
TIMEOUT = 1


def samples(client: httpx.Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What /metrics says, by name and labels."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def grown(client: httpx.Client, before: Any, name: str, **labels: str) -> float:
    key = (name, tuple(sorted(labels.items())))
    return samples(client)[key] - float(before.get(key, 0))


def test_metrics_count_what_is_done(open_service: Running, face: Face) -> None:
    client = open_service.client
    before = samples(client)
    images = {"image_a": text_of(face()), "image_b": text_of(face())}
    client.post("/verify", json=images)
    client.post("/verify", json={**images, "threshold": 2})
    client.post("/v1/identities", json={"identity": NAME, "images": [text_of(face())]})
    client.post("/v1/search", json={"image": text_of(face()), "threshold": 0.9})
    client.delete(f"/v1/identities/{NAME}")
    client.get("/nowhere")

    def more(name: str, **labels: str) -> float:
        return grown(client, before, f"facenet_{name}", **labels)

    assert more("requests_total", method="POST", route="/verify", status="200") == 1
    assert more("requests_total", method="POST", route="/verify", status="422") == 1
    assert more("requests_total", method="GET", route="none", status="404") == 1
    route = "/v1/identities/{identity:path}"
    assert more("requests_total", method="DELETE", route=route, status="200") == 1
    assert more("request_seconds_count", route="/verify") == 2
    assert more("request_seconds_sum", route="/verify") > 0
    assert more("batch_images_sum", stage="detect") >= 4
    assert more("batch_images_sum", stage="embed") >= 4
    assert more("decisions_total", operation="verify", found="true") == 1
    assert more("decisions_total", operation="search", found="true") == 1
    assert more("similarity_count", operation="verify") == 1
    assert more("similarity_count", operation="search") == 1
    assert more("similarity_bucket", operation="search", le="0.9") == 0
    assert samples(client)["facenet_queue_requests", ()] == 0
    assert "Rosalind" not in client.get("/metrics").text


def test_the_log_says_who_did_what_without_names_vectors_or_images(
    open_service: Running, face: Face
) -> None:
    client, image = open_service.client, text_of(face())
    at = f"/v1/identities/{NAME}"
    calls: dict[str, tuple[str, str, Any]] = {
        "log-enrol": ("POST", "/v1/identities", {"identity": NAME, "images": [image]}),
        "log-search": ("POST", "/v1/search", {"image": image}),
        "log-embed": ("POST", "/v1/embed", {"images": [image]}),
        "log-refused": ("POST", "/v1/identities", {"identity": NAME, "images": [image, "x"]}),
        "log-get": ("GET", f"{at}?name={NAME}", None),
        "log-forget": ("DELETE", at, None),
    }
    vector: list[float] = []
    for request, (method, address, body) in calls.items():
        answer = client.request(method, address, json=body, headers={"X-Request-ID": request})
        assert answer.headers["x-request-id"] == request
        if request == "log-embed":
            vector = answer.json()["embeddings"][0]
    for request in calls:
        line = open_service.entry(message="request", request=request)
        assert {"time", "level", "method", "route", "status", "ms", "key"} <= set(line)
    for action in ("enrol", "search", "forget"):
        audit = open_service.entry(message="audit", request=f"log-{action}")
        assert (audit["action"], audit["key"]) == (action, "none")
    text = open_service.log.read_text()
    for secret in ("Rosalind", "Überall", "%C3%9C", image[:40], *(str(part) for part in vector)):
        assert secret not in text


def test_a_request_id_that_could_forge_the_log_is_replaced(open_service: Running) -> None:
    for forged in ("a b", '"}', "x" * 101):
        answer = open_service.client.get("/healthz", headers={"X-Request-ID": forged})
        assert len(answer.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/", 200),
        ("GET", "/page/page.js", 200),
        ("GET", "/docs", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/verify", 405),
        ("POST", "/verify", 415),
    ],
)
def test_every_answer_has_headers_that_guard_browsers(
    open_service: Running, method: str, address: str, status: int
) -> None:
    answer = open_service.client.request(method, address)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-request-id"]
    assert "server" not in answer.headers


@pytest.fixture(scope="module")
def narrow(serve_config: Callable[..., Path], moody_site: Path) -> Iterator[Running]:
    """A service that does one thing at a time, and not for long."""
    flags = ("--concurrency", 1, "--queue", 0, "--timeout", TIMEOUT)
    with running(serve_config(), *flags, PYTHONPATH=str(moody_site)) as service:
        yield service


def test_too_much_is_refused_and_what_takes_too_long_given_up(narrow: Running) -> None:
    wide = picture(300, 50)

    def detect(_number: int) -> httpx.Response:
        headers = {"Content-Type": "image/png"}
        return narrow.client.post("/v1/detect", content=wide, headers=headers)

    with ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(detect, range(4)))
    kinds = Counter(problem(response) for response in responses)
    assert kinds == {(503, "deadline"): 1, (503, "busy"): 3}
    assert all(int(response.headers["retry-after"]) >= 1 for response in responses)
    assert narrow.client.get("/healthz").status_code == 200
    deadline = time.monotonic() + 20 * SLOW_SECONDS
    while problem_or_none(narrow.client.get("/readyz")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert narrow.client.get("/readyz").json()["status"] == "ready"


def problem_or_none(response: httpx.Response) -> tuple[int, str] | None:
    return None if response.status_code == 200 else problem(response)


def test_a_trace_holds_the_pattern_of_an_address_and_no_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("opentelemetry.instrumentation.fastapi", reason="needs [tracing]")
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from facenet_serve.tracing import trace

    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    app = FastAPI()
    app.add_api_route("/people/{name}", lambda name: {"name": name})
    exporter = InMemorySpanExporter()
    trace(app, exporter)
    with TestClient(app) as client:
        assert client.get("/people/Rosalind?of=Rosalind").status_code == 200
    deadline = time.monotonic() + 30
    while not exporter.get_finished_spans() and time.monotonic() < deadline:
        time.sleep(0.02)
    [span] = exporter.get_finished_spans()
    assert span.name == "GET /people/{name}"
    assert span.attributes
    assert span.attributes["http.route"] == "/people/{name}"
    assert "Rosalind" not in span.to_json()
