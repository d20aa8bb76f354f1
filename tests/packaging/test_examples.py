"""The examples are whole plugins: installed with pip, used from YAML, and they pass their tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .installing import pip_install, said

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("facenet-store-sqlite", "facenet-extension-journal")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed them."""
    return pip_install(tmp_path_factory.mktemp("site"), *(EXAMPLES / name for name in NAMES))


def test_the_store_passes_its_suite(site: Path, tmp_path: Path) -> None:
    tests = EXAMPLES / "facenet-store-sqlite" / "tests"
    options = ("-q", "-p", "no:cacheprovider", "--rootdir", tests, "--basetemp", tmp_path / "of it")
    assert " passed" in said(site, "pytest", *options, tests)


def test_both_are_used_without_a_line_of_code(site: Path, trained: Path, faces: Path) -> None:
    folder = site.parent
    config = folder / "inference.yaml"
    config.write_text(
        f"checkpoint_path: {trained / 'bundle'}\ndevice: cpu\nquality: off\nthreshold: 0.5\n"
        "store: {plugin: sqlite, path: people.sqlite}\n"
    )
    photos = [faces / "id-000" / f"{number:03d}.jpg" for number in range(2)]
    journal = folder / "journal.jsonl"
    used = {"JOURNAL": str(journal)}
    assert "facenet-store-sqlite" in said(site, "facenet", "plugins")
    said(site, "facenet", "enrol", "Ann", *photos, "--config", config, **used)
    found = said(site, "facenet", "search", photos[0], "--config", config, "--json", **used)
    assert json.loads(found)[0]["matches"][0]["identity"] == "Ann"
    said(site, "facenet", "forget", "Ann", "--config", config, **used)
    assert (folder / "people.sqlite").is_file()
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [entry["what"] for entry in entries] == ["enrol", "search", "forget"]
    assert entries[0]["samples"] == 2
    assert "Ann" not in journal.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_they_are_typed(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", EXAMPLES / name],
        capture_output=True,
        text=True,
        cwd=EXAMPLES.parent,
    )
    assert done.returncode == 0, done.stdout
