"""The file of API keys, without a service around it."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

pytest.importorskip("fasteners", reason="needs facenet-kit[serve]")

from facenet.errors import ConfigError
from facenet_serve.keys import KeyFile

EACH = 20


def add_many(path: Path, label: str) -> None:
    for number in range(EACH):
        KeyFile(path).add(f"{label}{number}", ["verify"])


def test_two_who_add_keys_at_once_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=add_many, args=(path, label)) for label in "ab"]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert {key.label for key in KeyFile(path)} == {f"{a}{n}" for a in "ab" for n in range(EACH)}


def test_it_is_read_anew_when_another_changes_it(tmp_path: Path) -> None:
    reader, writer = (KeyFile(tmp_path / "keys.json") for _ in range(2))
    assert list(reader) == []
    key, text = writer.add("laptop", ["verify"])
    found = reader.find(text)
    assert found == key
    writer.revoke(key.id)
    found = reader.find(text)
    assert found is not None
    assert found.revoked is not None
    (tmp_path / "keys.json").unlink()
    assert reader.find(text) is None


def test_a_key_is_found_by_its_whole_text_alone(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    key, text = file.add("laptop", ["verify"])
    assert file.find(text) == key
    wrong = [text[:-1], f"{text}x", text.upper(), f"other_{key.id}_", f"facenet_{key.id}_", key.id]
    assert [file.find(each) for each in (*wrong, "", "_", "facenet__", "\ud800")] == [None] * 10


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", '{"format": 2, "keys": []}', '{"format": 1, "keys": [{}]}', "no time zone"],
)
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "keys.json"
    if damage == "no time zone":
        KeyFile(path).add("laptop", ["verify"])
        content = json.loads(path.read_text())
        content["keys"][0]["expires"] = "2020-01-01T00:00:00"
        damage = json.dumps(content)
    path.write_text(damage)
    with pytest.raises(ConfigError, match=r"keys\.json: "):
        list(KeyFile(path))
