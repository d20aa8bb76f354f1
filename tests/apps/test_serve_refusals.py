"""What the HTTP service refuses, each with a problem of its own that says what would be right."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi", reason="needs facenet-kit[serve]")

from facenet_serve.problems import KINDS

from .services import Running, picture, problem, text_of

Face = Callable[..., bytes]
ELSEWHERE = {
    **dict.fromkeys(("missing-key", "invalid-key", "expired-key", "revoked-key"), "access"),
    **dict.fromkeys(("role", "rate", "foreign-page"), "access"),
    **dict.fromkeys(("busy", "deadline", "internal"), "operation"),
    "store": "faults",
    **dict.fromkeys(("changed", "key-reused"), "api"),
}
"""Kinds of problem that test_serve_*.py of that name cause."""


@pytest.fixture
def client(open_service: Running) -> httpx.Client:
    return open_service.client


IMAGE = text_of(picture())
PLAIN = text_of(picture(plain=True))
BOTH = {"image_a": IMAGE, "image_b": IMAGE}
DEEP = "[" * 50_000

# Name, (status, kind), words of the detail, address, and what httpx sends.
Sent = tuple[str, tuple[int, str], str, str, dict[str, Any]]
REFUSED: list[Sent] = [
    ("text", (415, "content-type"), "send application/json or multipart/form-data", "/verify",
     {"content": b"a", "headers": {"Content-Type": "text/plain"}}),
    ("no type", (415, "content-type"), "no content type: send", "/v1/detect", {"content": b"a"}),
    ("one image where two are wanted", (415, "content-type"), "send application/json", "/verify",
     {"content": picture(), "headers": {"Content-Type": "image/png"}}),
    ("two images where one is wanted", (422, "invalid"), "image: given 2 times", "/v1/detect",
     {"files": [("image", picture()), ("image", picture())]}),
    ("an image twice", (422, "invalid"), "image: given twice", "/v1/detect?image=a",
     {"content": picture(), "headers": {"Content-Type": "image/png"}}),
    ("too large", (413, "body-too-large"), "a request may have", "/v1/detect",
     {"content": b"a" * 500_000, "headers": {"Content-Type": "image/png"}}),
    ("no base64", (422, "invalid"), "image_a: not valid base64", "/verify",
     {"json": {**BOTH, "image_a": "not base64!"}}),
    ("no ASCII", (422, "invalid"), "not valid base64", "/verify",
     {"json": {**BOTH, "image_a": "ünï"}}),
    ("an empty image", (422, "image"), "image_b: is empty", "/verify",
     {"json": {**BOTH, "image_b": ""}}),
    ("an empty content", (422, "image"), "image: is empty", "/v1/detect",
     {"content": b"", "headers": {"Content-Type": "image/png"}}),
    ("text as an image", (422, "image"), "image_b: not an image", "/verify",
     {"json": {**BOTH, "image_b": text_of(b"text")}}),
    ("half an image", (422, "image"), "images[1]", "/v1/embed",
     {"files": [("images", picture()), ("images", picture()[:100])]}),
    ("no face to verify", (422, "no-face"), "image_b: no face found", "/verify",
     {"json": {**BOTH, "image_b": PLAIN}}),
    ("no face to search for", (422, "no-face"), "image: no face found", "/v1/search",
     {"files": {"image": picture(plain=True)}}),
    ("no face to embed", (422, "no-face"), "images[1]: no face", "/v1/embed",
     {"json": {"images": [IMAGE, PLAIN]}}),
    ("no face to enrol", (422, "no-face"), "images[0]: no face", "/v1/identities",
     {"json": {"identity": "nobody", "images": [PLAIN]}}),
    ("too small to enrol", (422, "quality"), "images[0]", "/v1/identities",
     {"json": {"identity": "nobody", "images": [text_of(picture(20, 20))]}}),
    ("threshold 2", (422, "invalid"), "threshold: Input should be less than or equal to 1",
     "/verify", {"json": {**BOTH, "threshold": 2}}),
    ("a threshold in words", (422, "invalid"), "threshold: Input should be a valid number",
     "/verify", {"json": {**BOTH, "threshold": "high"}}),
    ("threshold NaN", (422, "invalid"), "threshold", "/verify",
     {"content": json.dumps({**BOTH, "threshold": float("nan")}).encode(),
      "headers": {"Content-Type": "application/json"}}),
    ("threshold NaN in a form", (422, "invalid"), "threshold: Input should be a finite number",
     "/verify",
     {"files": {"image_a": picture(), "image_b": picture()}, "data": {"threshold": "nan"}}),
    ("top_k 10,000", (422, "invalid"), "top_k: Input should be less than or equal to 1000",
     "/v1/search", {"json": {"image": IMAGE, "top_k": 10_000}}),
    ("top_k in the address", (422, "invalid"), "top_k: Input should be greater",
     "/v1/search?top_k=0", {"content": picture(), "headers": {"Content-Type": "image/png"}}),
    ("an unknown field", (422, "invalid"), "image_c: unknown, did you mean 'image_", "/verify",
     {"json": {**BOTH, "image_c": ""}}),
    ("a field like no other", (422, "invalid"),
     "colour: unknown; there are image_a, image_b, threshold",
     "/verify", {"json": {**BOTH, "colour": ""}}),
    ("a mistyped key of the address", (422, "invalid"), "topk: unknown, did you mean 'top_k'?",
     "/v1/search?topk=3", {"content": picture(), "headers": {"Content-Type": "image/png"}}),
    ("a key of the address beside a form", (422, "invalid"), "top_k: in the address",
     "/v1/search?top_k=3", {"files": {"image": picture()}}),
    ("a file's name where a file is wanted", (422, "invalid"),
     "image: not valid base64: only base64 data is allowed; a file takes an @, as in curl -F "
     "image=@FILE", "/v1/detect", {"files": {"image": (None, "photo.jpg")}}),
    ("files' names where files are wanted", (422, "invalid"), "curl -F images=@FILE", "/v1/embed",
     {"files": [("images", (None, "photo.jpg"))]}),
    ("a file's name as the content", (422, "image"),
     "image: is text, and no image; a file takes an @, as in curl --data-binary @FILE",
     "/v1/search", {"content": b"photo.jpg", "headers": {"Content-Type": "image/jpeg"}}),
    ("a missing field", (422, "invalid"), "image_b: Field required", "/verify",
     {"json": {"image_a": IMAGE}}),
    ("null", (422, "invalid"), "image_a: Input should be", "/verify",
     {"json": {**BOTH, "image_a": None}}),
    ("no images", (422, "invalid"), "images: List should have at least 1", "/v1/embed",
     {"json": {"images": []}}),
    ("33 images", (422, "invalid"), "images: List should have at most 32", "/v1/embed",
     {"json": {"images": [IMAGE] * 33}}),
    ("nobody's name", (422, "invalid"), "identity: String should have at least 1",
     "/v1/identities", {"json": {"identity": "", "images": [IMAGE]}}),
    ("a name of 10,001 letters", (422, "invalid"), "at most 10000", "/v1/identities",
     {"json": {"identity": "x" * 10_001, "images": [IMAGE]}}),
    ("metadata that is a list", (422, "invalid"), "metadata: Input should be an object",
     "/v1/identities", {"json": {"identity": "nobody", "images": [IMAGE], "metadata": []}}),
    ("metadata with NaN", (422, "invalid"), "metadata", "/v1/identities",
     {"content": json.dumps({"identity": "nobody", "images": [text_of(picture(seed=1))],
                             "metadata": {"a": float("nan")}}).encode(),
      "headers": {"Content-Type": "application/json"}}),
    ("where is no JSON", (422, "invalid"), "where: not valid JSON", "/v1/search",
     {"files": {"image": picture()}, "data": {"where": "{"}}),
    ("where is too deep", (422, "invalid"), "where: not valid JSON", "/v1/search",
     {"files": {"image": picture()}, "data": {"where": DEEP}}),
    ("where is half a letter", (422, "invalid"), "where: not valid JSON",
     "/v1/search", {"files": {"image": picture()}, "data": {"where": '{"a": "\\ud800"}'}}),
    ("broken JSON", (422, "invalid"), "Invalid JSON", "/verify",
     {"content": b"{", "headers": {"Content-Type": "application/json"}}),
    ("deep JSON", (422, "invalid"), "Invalid JSON", "/verify",
     {"content": DEEP.encode(), "headers": {"Content-Type": "application/json"}}),
    ("a form without boundary", (400, "bad-request"), "boundary", "/verify",
     {"content": b"a", "headers": {"Content-Type": "multipart/form-data"}}),
    ("a broken form", (400, "bad-request"), "the form cannot be read", "/verify",
     {"content": b"a", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}),
    ("a form of an unknown encoding", (422, "invalid"), "image_a: Field required", "/verify",
     {"content": b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--b--\r\n',
      "headers": {"Content-Type": "multipart/form-data; boundary=b; charset=klingon"}}),
    ("an empty idempotency key", (422, "invalid"), "idempotency-key", "/v1/identities",
     {"json": {"identity": "nobody", "images": [IMAGE]}, "headers": {"Idempotency-Key": ""}}),
    ("nobody to add to", (404, "unknown-identity"), "GET /v1/identities lists",
     "/v1/identities/nobody/samples", {"json": {"images": [IMAGE]}}),
    ("an unknown address", (404, "not-found"),
     "/docs lists all addresses, did you mean '/verify'?", "/v1/verify", {"json": BOTH}),
    ("a wrong method", (405, "method"), "POST is not taken here, but GET: /docs lists", "/readyz",
     {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "words", "address", "sent"),
    [each[1:] for each in REFUSED],
    ids=[each[0] for each in REFUSED],
)
def test_a_bad_request_is_told_what_would_be_right(
    client: httpx.Client, expected: tuple[int, str], words: str, address: str, sent: dict[str, Any]
) -> None:
    response = client.post(address, **sent)
    assert problem(response) == expected
    assert words.lower() in response.json()["detail"].lower()


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("/v1/identities?limit=0", "invalid"),
        ("/v1/identities?limit=many", "invalid"),
        ("/v1/identities?limit=1001", "invalid"),
        ("/v1/identities?limti=5", "invalid"),
        ("/v1/identities/nobody", "unknown-identity"),
        ("/v1/identities/", "unknown-identity"),
        ("/page/none.js", "not-found"),
    ],
)
def test_a_bad_address_is_told_so(client: httpx.Client, address: str, kind: str) -> None:
    assert problem(client.get(address)) == (KINDS[kind].status, kind)


def test_a_mistyped_key_of_an_address_is_told_what_may_be_meant(client: httpx.Client) -> None:
    response = client.get("/v1/identities?limti=5")
    assert response.json()["detail"] == "query.limti: unknown, did you mean 'limit'?"


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("/verify", "POST"),
        ("/v1/identities", "GET, POST"),
        ("/v1/identities/ann", "GET, DELETE"),
        ("/v1/identities/ann/samples", "GET, POST, DELETE"),  # of somebody of this name, too
        ("/page/page.js", "GET, HEAD"),
    ],
)
def test_all_methods_of_an_address_are_named(
    client: httpx.Client, address: str, allowed: str
) -> None:
    response = client.put(address)
    assert problem(response) == (405, "method")
    assert response.headers["allow"] == allowed
    assert f"PUT is not taken here, but {allowed}: " in response.json()["detail"]


def test_values_that_are_wrong_are_each_named(client: httpx.Client) -> None:
    response = client.post("/verify", json={"image_a": IMAGE, "threshold": 2, "x": 1})
    assert [each["at"] for each in response.json()["errors"]] == ["image_b", "threshold", "x"]


def test_what_quality_refuses_says_why_to_programs(client: httpx.Client) -> None:
    body = {"identity": "nobody", "images": [text_of(picture(20, 20))]}
    response = client.post("/v1/identities", json=body)
    assert "small_face" in response.json()["codes"]


def test_a_body_is_counted_while_it_is_read(client: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(10):
            yield b"a" * 50_000

    response = client.post("/v1/detect", content=endless(), headers={"Content-Type": "image/png"})
    assert "content-length" not in response.request.headers
    assert problem(response) == (413, "body-too-large")
    assert response.headers["connection"] == "close"


def sent_by_hand(service: Running, content: bytes) -> bytes:
    """All that comes back for these bytes until the service hangs up."""
    answer = b""
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(content)
        while part := connection.recv(65536):
            answer += part
    return answer


HEAD = b"POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"


def test_a_body_that_does_not_come_is_not_waited_for(open_service: Running) -> None:
    answer = sent_by_hand(open_service, HEAD + b"Content-Length: 100\r\n\r\nabc")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["type"].endswith(":slow-body")
    assert json.loads(body)["detail"].startswith("3 bytes arrived in 2 s")


def test_a_caller_who_hangs_up_is_no_fault_of_the_service(open_service: Running) -> None:
    with socket.create_connection(("127.0.0.1", open_service.port), timeout=60) as connection:
        named = b"X-Request-ID: broke-off\r\n"
        connection.sendall(HEAD + named + b"Content-Length: 100\r\n\r\nabc")
    assert open_service.entry(request="broke-off")["status"] == 400
    assert "Traceback" not in open_service.log.read_text()


@pytest.mark.parametrize("host", ["[", "[::1", "a]b", ""])
def test_a_broken_host_is_foreign(client: httpx.Client, host: str) -> None:
    response = client.get("/v1/identities", headers={"Host": host})
    assert problem(response) == (403, "foreign-page")


def test_every_kind_of_problem_is_caused_by_some_test() -> None:
    here = {kind for _, (_, kind), *_ in REFUSED} | {"slow-body"}
    assert here | set(ELSEWHERE) == set(KINDS)
