"""The tutorials' plugins are made as the page says, pass their suites, and do what they are for."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from facenet.cli import main

from .installing import pip_install, run, said

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorials.md"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the three plugins, and the example store."""
    out, target = tmp_path_factory.mktemp("tutorial"), tmp_path_factory.mktemp("site")
    text = PAGE.read_text()
    network, options, frontend, gallery, path = re.findall(
        r"^```python\n(.*?)^```$", text, re.M | re.S
    )
    backbone, doorbell, ledger = (
        made(out, *which) for which in re.findall(r"^facenet plugins new (.*) (.*)$", text, re.M)
    )
    (backbone / "backbone.py").write_text(network)
    (doorbell / "frontend.py").write_text(frontend)
    import_path = ("from typing import", "from pathlib import Path\nfrom typing import")
    top_k = re.search(r"    top_k: int = Field\(.*\n", (doorbell / "__init__.py").read_text())
    assert top_k
    change(doorbell / "__init__.py", import_path, (top_k[0], options))
    (ledger / "file.py").write_text(gallery)
    change(
        ledger / "__init__.py",
        import_path,
        ("from pydantic", "from facenet.validation import BesideConfiguration\nfrom pydantic"),
        ("    max_identities:", f"{path}\n    max_identities:"),
        ("Exact gallery in memory", "Exact gallery in one file"),
        ("store.store import LedgerStore", "store.file import FileStore"),
        ("return LedgerStore(", "return FileStore("),
    )
    change(ledger.parent / "tests" / "test_ledger.py", ("persistent = False", "persistent = True"))
    pip_install(target, *out.iterdir(), ROOT / "examples" / "facenet-store-sqlite")
    for package in (backbone, ledger):
        shutil.copytree(package.parent / "tests", target / "tests", dirs_exist_ok=True)
    return target


def made(out: Path, kind: str, name: str) -> Path:
    """The package of a new plugin."""
    assert main(["plugins", "new", kind, name, "--out", str(out)]) == 0
    package = out / f"facenet-{name}-{kind}" / f"facenet_{name}_{kind}"
    assert (package / f"{kind}.py").is_file()
    return package


def change(file: Path, *changes: tuple[str, str]) -> None:
    text = file.read_text()
    for old, new in changes:
        assert text.count(old) == 1, f"{file}: {old}"
        text = text.replace(old, new)
    file.write_text(text)


def test_the_backbone_and_the_store_pass_their_suites(site: Path, tmp_path: Path) -> None:
    options = ("-q", "-p", "no:cacheprovider", "--rootdir", site, "--basetemp", tmp_path / "of it")
    assert " passed" in said(site, "pytest", *options, site / "tests")
    checked = said(site, "facenet", "plugins", "check", "store", "ledger")
    assert checked.endswith(" passed, 0 failed\n")
    assert "keeps nothing after it is closed" not in checked


MANY_AT_ONCE = """\
import sys
from multiprocessing import get_context
import numpy as np
from facenet.plugins import Registry

def gallery():
    ledger = Registry().load("store", "ledger")
    return ledger.make_from({"path": sys.argv[1]}, embedding_dim=2, space="s")

def enrol(process):
    with gallery() as store:
        for number in range(5):
            store.enrol("Ann", np.ones(2), keys=[f"{process}-{number}"])

with get_context("fork").Pool(4) as pool:
    pool.map(enrol, range(4), chunksize=1)
with gallery() as store:
    print(store.stats())
"""


def test_the_stores_file_is_shared_by_processes(site: Path, tmp_path: Path) -> None:
    (site / "many_at_once.py").write_text(MANY_AT_ONCE)
    kept = said(site, "many_at_once", tmp_path / "faces.json")
    assert "identities=1, samples=20," in kept
    assert "persistent=True" in kept


def test_the_store_keeps_its_file_beside_the_configuration(
    site: Path, trained: Path, faces: Path, tmp_path: Path
) -> None:
    config, photo = tmp_path / "inference.yaml", next((faces / "id-000").iterdir())
    config.write_text(
        f"checkpoint_path: {trained / 'bundle'}\ndevice: cpu\nthreshold: 0.99\n"
        "store: ledger\nquality: off\n"
    )
    enrolled = run(site, "facenet", "enrol", "Ann", photo, "--config", config)
    assert (enrolled.returncode, "in memory" in enrolled.stderr) == (0, False), enrolled.stderr
    assert "Ann" in said(site, "facenet", "search", photo, "--config", config)
    (tmp_path / "faces.json").write_text("{}")
    refused = run(site, "facenet", "search", photo, "--config", config)
    assert refused.returncode == 2
    assert "faces.json: cannot be read as a gallery: " in refused.stderr
    assert "Traceback" not in refused.stderr


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
