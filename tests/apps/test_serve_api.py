"""What the HTTP service answers: faces, searches, and the gallery."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

pytest.importorskip("fastapi", reason="needs facenet-kit[serve]")

from fastapi import Response

from facenet_serve.repeats import Repeats

from .services import Running, problem, text_of

Face = Callable[..., bytes]
HOSTILE = (
    "a/b",
    "100%",
    "%2F",
    "Zoë Ünïcode 日本",
    "x?limit=1#y",
    "a+b&after=c",
    "../up",
    "x" * 10_000,
)


@pytest.fixture
def client(open_service: Running) -> httpx.Client:
    return open_service.client


@pytest.fixture
def ann(client: httpx.Client, face: Face) -> Iterator[str]:
    """Somebody who is enrolled for the test."""
    body = {"identity": "ann", "images": [text_of(face())], "metadata": {"team": "red"}}
    assert client.post("/v1/identities", json=body).status_code == 201
    yield "ann"
    client.delete("/v1/identities/ann")


def at(identity: str, more: str = "") -> str:
    return f"/v1/identities/{quote(identity, safe='')}{more}"


@pytest.mark.parametrize("written", ["plain", "broken into lines", "data URL"])
def test_json_holds_images_in_base64(client: httpx.Client, face: Face, written: str) -> None:
    text = {
        "plain": text_of(face()),
        "broken into lines": " " + base64.encodebytes(face()).decode().replace("\n", "\r\n "),
        "data URL": f"data:image/jpeg;base64,{text_of(face())}",
    }[written]
    answer = client.post("/verify", json={"image_a": text, "image_b": text_of(face())})
    assert answer.status_code == 200
    assert answer.json()["similarity"] == pytest.approx(1, abs=1e-5)


def test_a_form_holds_images_as_files_and_values_as_text(client: httpx.Client, face: Face) -> None:
    files = {"image_a": ("a.jpg", face()), "image_b": ("b.jpg", face(1))}
    answer = client.post("/verify", files=files, data={"threshold": "-1"})
    assert (answer.json()["threshold"], answer.json()["match"]) == (-1, True)


def test_an_image_may_be_the_whole_content(client: httpx.Client, face: Face, ann: str) -> None:
    def send(address: str) -> Any:
        answer = client.post(address, content=face(), headers={"Content-Type": "image/jpeg"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    found = send("/v1/detect")
    assert (found["width"], found["height"]) == (48, 48)
    assert [each["box"] for each in found["faces"]] == [[0, 0, 48, 48]]
    [vector] = send("/v1/embed")["embeddings"]
    assert sum(value * value for value in vector) == pytest.approx(1, abs=1e-4)
    [searched] = send("/v1/search?top_k=1&threshold=0.9")["faces"]
    assert [match["identity"] for match in searched["matches"]] == [ann]
    assert (searched["identity"], searched["threshold"]) == (ann, 0.9)


def test_embeddings_are_one_for_each_image_in_order(client: httpx.Client, face: Face) -> None:
    images = [face(), face(1), face()]
    by_json = client.post("/v1/embed", json={"images": [text_of(image) for image in images]}).json()
    first, second, third = by_json["embeddings"]
    assert first == pytest.approx(third, abs=1e-5)
    assert first != pytest.approx(second, abs=1e-3)
    assert by_json["embedding_space"] == client.get("/healthz").json()["embedding_space"]
    by_form = client.post("/v1/embed", files=[("images", ("x.jpg", image)) for image in images])
    for form, sent in zip(by_form.json()["embeddings"], by_json["embeddings"], strict=True):
        assert form == pytest.approx(sent, abs=1e-4)


def test_search_heeds_its_limits(client: httpx.Client, face: Face, ann: str) -> None:
    body = {"identity": "bob", "images": [text_of(face(1))]}
    client.post("/v1/identities", json=body)

    def matches(**limits: Any) -> list[str]:
        answer = client.post("/v1/search", json={"image": text_of(face()), **limits})
        [found] = answer.json()["faces"]
        return [match["identity"] for match in found["matches"]]

    assert {ann, "bob"} <= set(matches(top_k=1000))
    assert matches(top_k=1) == [ann]
    assert matches(min_similarity=0.9999) == [ann]
    client.delete(at("bob"))


@pytest.mark.parametrize("sent", ["json", "form", "query"])
def test_search_filters_by_metadata_however_it_is_sent(
    client: httpx.Client, face: Face, ann: str, sent: str
) -> None:
    for team, expected in (("red", [ann]), ("blue", [])):
        where = {"team": team}
        if sent == "json":
            answer = client.post("/v1/search", json={"image": text_of(face()), "where": where})
        elif sent == "form":
            data = {"where": json.dumps(where)}
            answer = client.post("/v1/search", files={"image": ("a.jpg", face())}, data=data)
        else:
            answer = client.post(
                "/v1/search",
                params={"where": json.dumps(where)},
                content=face(),
                headers={"Content-Type": "image/jpeg"},
            )
        [found] = answer.json()["faces"]
        assert [match["identity"] for match in found["matches"]] == expected


def test_enrolling_again_adds_only_what_is_new(client: httpx.Client, face: Face, ann: str) -> None:
    again = client.post("/v1/identities", json={"identity": ann, "images": [text_of(face())]})
    assert (again.status_code, again.json()["added"], again.json()["samples"]) == (200, 0, 1)
    shown = client.get(at(ann)).json()
    assert shown == {"identity": ann, "samples": 1, "metadata": {"team": "red"}}


def test_samples_are_added_to_who_is_enrolled(client: httpx.Client, face: Face) -> None:
    client.post("/v1/identities", json={"identity": "a/b", "images": [text_of(face(2))]})
    added = client.post(at("a/b", "/samples"), files={"images": ("a.jpg", face(2))})
    assert (added.status_code, added.json()["added"], added.json()["samples"]) == (200, 0, 1)
    nobody = client.post(at("nobody", "/samples"), files={"images": ("a.jpg", face())})
    assert problem(nobody) == (404, "unknown-identity")
    client.delete(at("a/b"))


def test_pages_lead_to_everybody_whatever_their_names(client: httpx.Client, face: Face) -> None:
    image = text_of(face(3))
    for name in HOSTILE:
        answer = client.post("/v1/identities", json={"identity": name, "images": [image]})
        assert (answer.status_code, answer.json()["identity"]) == (201, name)
    pages, address = [], "/v1/identities?limit=3"
    while address:
        page = client.get(address).json()
        pages.append([each["identity"] for each in page["identities"]])
        address = page["next"]
    names = [name for page in pages for name in page]
    assert set(HOSTILE) <= set(names)
    assert len(names) == len(set(names))
    assert [len(page) for page in pages[:-1]] == [3] * (len(pages) - 1)
    after = client.get("/v1/identities", params={"after": names[-2]}).json()
    assert [each["identity"] for each in after["identities"]] == names[-1:]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: name[:12])
def test_an_address_can_hold_any_name(client: httpx.Client, face: Face, name: str) -> None:
    client.post("/v1/identities", json={"identity": name, "images": [text_of(face(3))]})
    assert client.get(at(name)).json()["identity"] == name
    added = client.post(at(name, "/samples"), json={"images": [text_of(face(3))]})
    assert added.json()["samples"] == 1
    receipt = client.delete(at(name))
    assert (receipt.status_code, receipt.json()["samples"]) == (200, 1)
    assert problem(client.get(at(name))) == (404, "unknown-identity")


def test_a_tag_says_whether_somebody_has_changed(
    client: httpx.Client, face: Face, ann: str
) -> None:
    tag = client.get(at(ann)).headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        same = client.get(at(ann), headers={"If-None-Match": known})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    body = {"identity": ann, "images": [text_of(face())], "metadata": {"team": "blue"}}
    client.post("/v1/identities", json=body)
    assert client.get(at(ann), headers={"If-None-Match": tag}).json()["metadata"]["team"] == "blue"
    assert problem(client.delete(at(ann), headers={"If-Match": tag})) == (412, "changed")
    now = client.get(at(ann)).headers["etag"]
    assert client.delete(at(ann), headers={"If-Match": now}).status_code == 200


def test_any_tag_is_right_for_who_is_there(client: httpx.Client, ann: str) -> None:
    assert client.delete(at(ann), headers={"If-Match": "*"}).status_code == 200
    assert problem(client.delete(at(ann), headers={"If-Match": "*"})) == (404, "unknown-identity")


def test_a_repeat_gets_the_first_answer_again(client: httpx.Client, face: Face) -> None:
    key = {"Idempotency-Key": "once"}
    body = {"identity": "carl", "images": [text_of(face(4))]}
    first = client.post("/v1/identities", json=body, headers=key)
    again = client.post("/v1/identities", json=body, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    other = client.post("/v1/identities", json={**body, "identity": "dora"}, headers=key)
    assert problem(other) == (422, "key-reused")
    assert client.get(at("dora")).status_code == 404
    client.delete(at("carl"))


def test_no_name_is_kept_for_repeats() -> None:
    repeats, done = Repeats(), {"identity": "Zoë", "added": 1, "samples": 1, "refused": []}

    async def ask() -> Response:
        async def work() -> tuple[int, dict[str, Any]]:
            return 201, dict(done)

        return await repeats.answer("key", "caller", "Zoë", {"images": 1}, work)

    first, again = asyncio.run(ask()), asyncio.run(ask())
    assert json.loads(first.body) == json.loads(again.body) == done
    assert again.headers["idempotent-replayed"] == "true"
    assert "Zoë" not in repr(vars(repeats))


def test_a_failure_is_not_repeated(client: httpx.Client, face: Face) -> None:
    key = {"Idempotency-Key": "twice"}
    samples = {"images": [text_of(face(5))]}
    early = client.post(at("emil", "/samples"), json=samples, headers=key)
    assert early.status_code == 404
    client.post("/v1/identities", json={"identity": "emil", **samples})
    assert client.post(at("emil", "/samples"), json=samples, headers=key).status_code == 200
    client.delete(at("emil"))
