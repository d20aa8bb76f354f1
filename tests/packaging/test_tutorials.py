"""The tutorials' plugins are made as the page says, pass their suites, and do what they are for."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from facenet.cli import main

from .installing import pip_install, said

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorials.md"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed both plugins, and the example store."""
    out, target = tmp_path_factory.mktemp("tutorial"), tmp_path_factory.mktemp("site")
    network, options, frontend = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S
    )
    for kind, name, module in (
        ("backbone", "separable", network),
        ("frontend", "doorbell", frontend),
    ):
        assert main(["plugins", "new", kind, name, "--out", str(out)]) == 0
        package = out / f"facenet-{name}-{kind}" / f"facenet_{name}_{kind}"
        assert (package / f"{kind}.py").is_file()
        (package / f"{kind}.py").write_text(module)
    text = (package / "__init__.py").read_text()
    text, changed = re.subn(r"    top_k: int = Field\(.*\n", options, text)
    assert changed == 1
    (package / "__init__.py").write_text(
        text.replace("from typing import", "from pathlib import Path\nfrom typing import", 1)
    )
    sources = [*out.iterdir(), ROOT / "examples" / "facenet-store-sqlite"]
    pip_install(target, *sources)
    shutil.copytree(out / "facenet-separable-backbone" / "tests", target / "tests")
    return target


def test_the_backbone_passes_its_suite(site: Path, tmp_path: Path) -> None:
    options = ("-q", "-p", "no:cacheprovider", "--rootdir", site, "--basetemp", tmp_path / "of it")
    assert " passed" in said(site, "pytest", *options, site / "tests")


def test_the_doorbell_rings(site: Path, trained: Path, faces: Path, tmp_path: Path) -> None:
    inbox, config = tmp_path / "inbox", tmp_path / "inference.yaml"
    config.write_text(
        f"checkpoint_path: {trained / 'bundle'}\ndevice: cpu\nthreshold: 0.99\n"
        f"store: {{plugin: sqlite, path: {tmp_path / 'faces.sqlite'}}}\nquality: off\n"
    )
    photo = next((faces / "id-000").iterdir())
    said(site, "facenet", "enrol", "Ann", photo, "--config", config)
    inbox.mkdir()
    shutil.copy(photo, inbox / "1.jpg")
    (inbox / "2.jpg").write_text("no photo")
    rung = said(
        site, "facenet", "doorbell", "--folder", inbox, "--rings", 2, "--config", config
    ).splitlines()
    assert rung[0] == "Ann"
    assert "2.jpg: not an image" in rung[1]
    assert list(inbox.iterdir()) == []
