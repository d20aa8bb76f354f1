"""What a user installs: the wheel's contents and its metadata."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    [path] = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_top_level_is_facenet_alone(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    packages = {top for top in tops if not top.endswith(".dist-info")}
    assert packages == {
        "facenet",
        "facenet_live",
        "facenet_memory",
        "facenet_milvus",
        "facenet_pgvector",
        "facenet_serve",
        "facenet_studio",
        "facenet_timm",
        "facenet_torchvision",
        "facenet_triplet_miners",
        "facenet_whole_image",
        "facenet_yolo",
        "facenet_yunet",
    }


def test_types_and_templates_travel_along(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    files = {"py.typed", "demo/report.html.j2", "known_models/known.toml"}
    files |= {"scaffold/common/README.md.txt", "scaffold/store/made.py.txt"}
    assert {f"facenet/{file}" for file in files} <= names
    assert not [name for name in names if name.startswith("tests") or "/configs/" in name]


def test_every_plugin_of_the_source_tree_is_an_entry_point(wheel: zipfile.ZipFile) -> None:
    [name] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    text = wheel.read(name).decode()
    packages = {
        path.name for path in (*ROOT.glob("plugins/*/facenet_*"), *ROOT.glob("apps/facenet_*"))
    }
    assert {line.partition(" = ")[2].partition(".")[0] for line in text.splitlines()} >= packages


def test_heavy_libraries_are_extras_only(wheel: zipfile.ZipFile) -> None:
    [name] = [name for name in wheel.namelist() if name.endswith("METADATA")]
    requirements = message_from_bytes(wheel.read(name)).get_all("Requires-Dist") or []
    always = {line.partition(">")[0] for line in requirements if "extra ==" not in line}
    assert always == {
        "click",
        "license-expression",
        "numpy",
        "pillow",
        "pluggy",
        "pydantic",
        "pyyaml",
        "rich",
    }
