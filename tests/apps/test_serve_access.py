"""Who may use the HTTP service: keys, roles, rates, and web pages of other places."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .services import PATIENCE, Running, picture, problem, running, text_of

RATE = 20
HERE = "https://here.example"
ELSEWHERE = "https://elsewhere.example"
Make = Callable[..., str]


@pytest.fixture(scope="module")
def config(serve_config: Callable[..., Path]) -> Path:
    return serve_config()


@pytest.fixture(scope="module")
def service(config: Path, moody_site: Path) -> Iterator[Running]:
    """With one key in its file from the start, which nobody knows."""
    make_key(config, "first")
    flags = ("--rate-limit", RATE, "--cors-origins", f"{HERE},https://other.example")
    with running(config, *flags, PYTHONPATH=str(moody_site)) as service:
        yield service


def make_key(config: Path, label: str = "test", **more: Any) -> str:
    """Made as by `facenet serve keys add`, in less time."""
    from facenet_serve.keys import KeyFile

    return KeyFile(keys_file(config)).add(label, more.pop("roles", ["verify"]), **more)[1]


def keys_file(config: Path) -> Path:
    return config.parent / ".facenet" / "serve-keys.json"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def id_of(key: str) -> str:
    return key.split("_")[1]


def test_keys_are_made_listed_and_revoked_by_command(facenet, tmp_path: Path, trained: Path):
    config = tmp_path / "inference.yaml"
    config.write_text(f"checkpoint_path: {trained / 'bundle'}\n")
    keys = ("serve", "--config", config, "keys")
    made = facenet(*keys, "add", "front desk", "--role", "search", "--role", "verify")
    assert made.code == 0
    key = made.out.strip()
    assert re.fullmatch(r"facenet_[0-9a-f]{8}_[\w-]{43}", key)
    assert id_of(key) in made.err
    assert key not in made.err
    assert f"its hash is in {keys_file(config)}, " in made.err
    assert "from now on every configuration that uses the file needs a key" in made.err
    second = facenet(*keys, "add", "guest", "--role", "verify", "--days", "2")
    assert "from now on" not in second.err
    brief = second.out.strip()
    listed = facenet(*keys, "list")
    for words in (id_of(key), "front desk", "verify, search", "never", "valid", id_of(brief)):
        assert words in listed.out
    secret = key.split("_", 2)[2]
    assert secret not in listed.out
    assert secret not in keys_file(config).read_text()
    assert keys_file(config).stat().st_mode & 0o777 == 0o600
    assert (
        facenet(*keys, "revoke", id_of(key)).out == f"key {id_of(key)} of front desk is revoked\n"
    )
    assert keys_file(config).stat().st_mode & 0o777 == 0o600
    assert facenet(*keys, "list").out.count("revoked") == 1
    assert facenet("serve", "keys", "list", "--config", config).out == facenet(*keys, "list").out
    assert facenet("serve", "keys", "list", f"--config={config}", "--set", "device=cpu").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("revoke", "12345678"), "no key '12345678'"),
        (("add", "x"), "--role"),
        (("add", "x", "--role", "king"), "'king' is not one of"),
        (("add", "x", "--role", "verify", "--days", "-1"), "--days"),
        (("add", "x", "--role", "verify", "--days", "1e12"), "1e+12 is no number of days"),
        (("add", "x", "--role", "verify", "--days", "nan"), "nan is no number of days"),
    ],
)
def test_a_wrong_word_about_keys_is_named(
    facenet, tmp_path: Path, trained: Path, words: tuple[str, ...], message: str
) -> None:
    config = tmp_path / "inference.yaml"
    config.write_text(f"checkpoint_path: {trained / 'bundle'}\n")
    ran = facenet("serve", "--config", config, "keys", *words)
    assert ran.code == 2
    assert message in ran.err
    assert not keys_file(config).exists()


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({}, "missing-key"),
        ({"Authorization": "Basic YTpi"}, "missing-key"),
        ({"Authorization": "Bearer"}, "missing-key"),
        (bearer("facenet_00000000_secret"), "invalid-key"),
        (bearer("é".encode().decode("latin-1")), "invalid-key"),
        ({"X-API-Key": "facenet"}, "invalid-key"),
    ],
)
def test_who_has_no_key_is_told_so(service: Running, headers: dict[str, str], kind: str) -> None:
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    response = service.client.get("/v1/identities", headers=sent)
    assert problem(response) == (401, kind)
    assert response.headers["www-authenticate"] == "Bearer"


def test_a_service_with_keys_says_so_at_its_start(service: Running, config: Path) -> None:
    assert f"; a key of {keys_file(config)} is needed\n" in service.log.read_text()


def test_a_key_ends_as_soon_as_it_is_to(service: Running, config: Path) -> None:
    from datetime import UTC, datetime, timedelta

    from facenet_serve.keys import KeyFile

    old = make_key(config, roles=["search"], expires=datetime.now(UTC) - timedelta(seconds=1))
    response = service.client.get("/v1/identities", headers=bearer(old))
    assert problem(response) == (401, "expired-key")
    key = make_key(config, roles=["search"], expires=datetime.now(UTC) + timedelta(days=1))
    assert service.client.get("/v1/identities", headers=bearer(key)).status_code == 200
    KeyFile(keys_file(config)).revoke(id_of(key))
    response = service.client.get("/v1/identities", headers=bearer(key))
    assert problem(response) == (401, "revoked-key")


def test_a_key_may_what_its_roles_say(service: Running, config: Path) -> None:
    image = {"image": text_of(picture())}
    person = {"identity": "ann", "images": [text_of(picture())]}
    requests: dict[str, list[tuple[str, str, Any]]] = {
        "verify": [("POST", "/v1/detect", image), ("GET", "/metrics", None)],
        "search": [("POST", "/v1/search", image), ("GET", "/v1/identities", None)],
        "enrol": [("POST", "/v1/identities", person)],
        "admin": [("DELETE", "/v1/identities/nobody", None)],
    }
    for role in requests:
        key = make_key(config, roles=[role])
        for needed, calls in requests.items():
            for method, address, body in calls:
                answer = service.client.request(method, address, json=body, headers=bearer(key))
                if role in (needed, "admin"):
                    assert answer.status_code in (200, 201, 404), (role, address)
                else:
                    assert problem(answer) == (403, "role")
                    assert needed in answer.json()["detail"]


def test_a_key_may_also_come_in_a_header_of_its_own(service: Running, config: Path) -> None:
    key = make_key(config, roles=["search"])
    answer = service.client.get("/v1/identities", headers={"X-API-Key": key})
    assert answer.status_code == 200


def test_each_key_has_its_rate(service: Running, config: Path) -> None:
    busy, idle = (make_key(config, roles=["search"]) for _ in range(2))
    for _ in range(RATE):
        assert service.client.get("/v1/identities", headers=bearer(busy)).status_code == 200
    response = service.client.get("/v1/identities", headers=bearer(busy))
    assert problem(response) == (429, "rate")
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert service.client.get("/v1/identities", headers=bearer(idle)).status_code == 200


def test_who_lives_needs_no_key_to_say_so(service: Running) -> None:
    assert service.client.get("/healthz").status_code == 200
    assert service.client.get("/readyz").status_code == 200


def preflight(client: httpx.Client, origin: str) -> httpx.Response:
    ask = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return client.options("/verify", headers=ask)


def test_pages_that_are_named_may_call(service: Running, config: Path) -> None:
    key = bearer(make_key(config, roles=["search"]))
    assert preflight(service.client, HERE).headers["access-control-allow-origin"] == HERE
    answer = service.client.get("/v1/identities", headers={**key, "Origin": HERE})
    assert answer.headers["access-control-allow-origin"] == HERE
    assert "access-control-allow-origin" not in preflight(service.client, ELSEWHERE).headers


def test_a_page_of_another_place_may_not_call_without_keys(open_service: Running) -> None:
    client = open_service.client
    own = client.get("/v1/identities", headers={"Origin": open_service.address})
    assert own.status_code == 200
    assert "access-control-allow-origin" not in own.headers
    for origin in (ELSEWHERE, "null", "http://["):
        response = client.get("/v1/identities", headers={"Origin": origin})
        assert problem(response) == (403, "foreign-page")
    assert "access-control-allow-origin" not in preflight(client, ELSEWHERE).headers
    for host in ("localhost", f"127.0.0.1:{open_service.port}", "[::1]:8000"):
        assert client.get("/v1/identities", headers={"Host": host}).status_code == 200
    rebound = client.get("/v1/identities", headers={"Host": "evil.example"})
    assert problem(rebound) == (403, "foreign-page")


def test_it_is_not_open_to_others_without_any_key(facenet, trained: Path, tmp_path: Path) -> None:
    config = tmp_path / "its own.yaml"
    config.write_text(f"checkpoint_path: {trained / 'bundle'}\nstore: memory\ndevice: cpu\n")
    for flags, file in (((), keys_file(config)), (("--keys-file", tmp_path / "k"), tmp_path / "k")):
        ran = facenet("serve", "--config", config, *flags, "--host", "0.0.0.0", "--port", 0)
        assert ran.code == 2
        assert "can be reached from other machines, and there is no API key" in ran.err
        assert ran.err.count("facenet: ") == 1
        assert "Traceback" not in ran.err
        program, *hint = shlex.split(ran.err.partition("make one: ")[2])
        assert (program, facenet(*hint).code) == ("facenet", 0)
        assert "operator" in file.read_text()


def test_it_is_open_on_demand_until_there_is_a_key(
    serve_config: Callable[..., Path], moody_site: Path
) -> None:
    config = serve_config()
    flags = ("--host", "0.0.0.0", "--insecure")
    with running(config, *flags, PYTHONPATH=str(moody_site)) as service:
        remote = {"Host": "faces.example"}
        assert service.client.get("/v1/identities", headers=remote).status_code == 200
        key = bearer(make_key(config, roles=["search"]))
        needed = service.client.get("/v1/identities", headers=remote)
        assert problem(needed) == (401, "missing-key")
        assert service.client.get("/v1/identities", headers=key).status_code == 200
        keys_file(config).unlink()
        assert problem(service.client.get("/v1/identities")) == (401, "missing-key")
        assert problem(service.client.get("/v1/identities", headers=key)) == (401, "invalid-key")
        _damaged_keys_let_nobody_in(service, keys_file(config))


def _damaged_keys_let_nobody_in(service: Running, keys: Path) -> None:
    keys.write_text(json.dumps({"keys": "none"}))
    damaged = service.client.get("/v1/identities", headers=bearer("facenet_0_x"))
    assert problem(damaged) == (500, "internal")
    assert keys.name not in damaged.text
    keys.unlink()
    keys.mkdir()
    named = {**bearer("facenet_0_x"), "X-Request-ID": "broken"}
    broken = service.client.get("/v1/identities", headers=named)
    assert problem(broken) == (500, "internal")
    assert broken.headers["x-request-id"] == "broken"
    assert broken.headers["x-content-type-options"] == "nosniff"
    assert service.entry(request="broken")["status"] == 500
    service.process.terminate()
    assert service.process.wait(PATIENCE) == 0


def test_damaged_keys_are_one_line_at_the_start(facenet, trained: Path, tmp_path: Path) -> None:
    config = tmp_path / "inference.yaml"
    config.write_text(f"checkpoint_path: {trained / 'bundle'}\nstore: memory\ndevice: cpu\n")
    keys_file(config).parent.mkdir()
    keys_file(config).write_text('{"keys": [{"id": "1"}]}')
    ran = facenet("serve", "--config", config, "--port", 0)
    assert ran.code == 2
    assert f"facenet: {keys_file(config)}: keys.0.label: Field required" in ran.err
    assert "Traceback" not in ran.err
