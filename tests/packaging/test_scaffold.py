"""`facenet plugins new`: what it writes installs, is listed, is used from YAML, and is tested."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from facenet.cli import main
from facenet.types import KINDS

from .installing import PIP_INSTALL, pip_install, run


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A new package of each kind, whose plugin is named `my_<kind>`."""
    out = tmp_path_factory.mktemp("mine") / "not yet there"
    for kind in KINDS:
        assert main(["plugins", "new", kind, f"my_{kind}", "--out", str(out)]) == 0
    return {kind: out / f"facenet-my-{kind}-{kind}" for kind in KINDS}


@pytest.fixture(scope="module")
def site(packages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed them."""
    return pip_install(tmp_path_factory.mktemp("site"), *packages.values())


def yaml_of(package: Path) -> dict[str, Any]:
    """What the README says to write into a configuration."""
    [block] = re.findall(r"^```yaml\n(.*?)^```$", (package / "README.md").read_text(), re.M | re.S)
    values: dict[str, Any] = yaml.safe_load(block)
    return values


def test_new_plugins_are_installed_and_their_tests_pass(
    packages: dict[str, Path], site: Path
) -> None:
    listed = run(site, "facenet", "plugins").stdout
    for kind in KINDS:
        assert re.search(rf"^ *{kind} +my_{kind} +facenet-my-{kind}-{kind} ", listed, re.M)
    ran = run(site, "pytest", "-q", "-p", "no:cacheprovider", *packages.values())
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"^\d\d\d passed", ran.stdout, re.M)


def test_new_plugins_are_used_from_yaml(
    packages: dict[str, Path], site: Path, train_values: Any, faces: Path, tmp_path: Path
) -> None:
    train_values["model"] |= yaml_of(packages["backbone"])["model"]
    train_values |= yaml_of(packages["miner"])
    train_values["trainer"]["max_epochs"] = 1
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(train_values))
    ran = run(site, "facenet", "train", "--config", tmp_path / "train.yaml")
    assert ran.returncode == 0, ran.stderr

    values = {"checkpoint_path": str(tmp_path / "run" / "bundle"), "device": "cpu"}
    for kind in ("detector", "store", "frontend"):
        values |= yaml_of(packages[kind])
    (tmp_path / "inference.yaml").write_text(yaml.safe_dump(values))
    photo = faces / "id-000" / "000.jpg"
    command = ("facenet", "my_frontend", "--config", tmp_path / "inference.yaml")
    ran = run(site, *command, given=f"{photo}\n")
    assert (ran.returncode, ran.stdout) == (0, "photo: nobody is enrolled\n"), ran.stderr


def test_the_plugins_pages_commands_work_in_their_order(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "plugins.md"
    [script] = re.findall(r"^```bash\n(.*?)^```$", page.read_text(), re.M | re.S)
    install = f"{sys.executable} {shlex.join(PIP_INSTALL)} --target site ./facenet-middle-detector"
    installed = "pip install -e 'facenet-middle-detector[test]'"
    assert installed in script
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace(installed, install)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(tmp_path / "site")},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "\n30 passed, 0 failed\n" in ran.stdout


def changed(site: Path, file: str, old: str, new: str) -> None:
    """What an author might do to a new plugin."""
    text = (site / file).read_text()
    assert old in text
    (site / file).write_text(text.replace(old, new))


def test_what_a_check_finds_is_told_with_its_meaning(site: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(site, tmp_path / "site")
    changed(mine, "facenet_my_detector_detector/detector.py", "score=1.0", "score=100.0")
    ran = run(mine, "facenet", "plugins", "check", "detector", "my_detector")
    assert ran.returncode == 1
    assert "FAILED test_scores_are_in_0_to_1: scores are logits or percentages" in ran.stdout
    assert ran.stdout.endswith("passed, 1 failed\n")
    assert "Traceback" not in ran.stdout + ran.stderr


def test_a_store_gets_the_place_that_it_needs_and_no_gallery_of_anyone(
    site: Path, tmp_path: Path
) -> None:
    mine, check = shutil.copytree(site, tmp_path / "site"), ("facenet", "plugins", "check", "store")
    plugin = "facenet_my_store_store/__init__.py"
    changed(
        mine, plugin, "    max_identities:", '    path: Path = Field(description="")\n    max_i:'
    )
    changed(mine, plugin, "from pydantic", "from pathlib import Path\nfrom pydantic")
    changed(mine, "facenet_my_store_store/store.py", "options.max_identities", "options.max_i")
    ran = run(mine, *check, "my_store")
    assert "FAILED test_every_option_is_described" in ran.stdout
    assert ran.stdout.endswith("passed, 1 failed\n"), ran.stdout
    changed(mine, "facenet_my_store_store/store.py", "return len(people)", "return 1")
    ran = run(mine, *check, "my_store")
    assert ran.returncode == 1
    assert "could not begin: the gallery is not empty: it has 1 identity; each" in ran.stdout


@pytest.mark.slow
def test_a_store_is_checked_in_folders_of_its_own(
    facenet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pymilvus", reason="needs facenet-kit[milvus]")
    monkeypatch.chdir(tmp_path)
    ran = facenet("plugins", "check", "store", "milvus")
    assert ran.code == 0, ran.out
    assert ran.out.endswith("passed, 0 failed\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("store", "My-Store"), "store name 'My-Store': must be small letters and digits"),
        (("store", "memory"), "store name 'memory': facenet-kit has it; choose another"),
        (("backbone", "resnet18"), "backbone name 'resnet18': backbone plugin 'torchvision' of"),
        (("frontend", "train"), "frontend name 'train': is a command of facenet"),
        (("miner", "taken"), "facenet-taken-miner: is there already; nothing is overwritten"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(
    facenet, arguments: tuple[str, str], sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "facenet-taken-miner").mkdir()
    ran = facenet("plugins", "new", *arguments, "--out", tmp_path)
    assert ran.code == 2
    assert sentence in ran.err
    assert [path.name for path in tmp_path.rglob("*")] == ["facenet-taken-miner"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("miner", "pml"), "miner: this key is required"),
        (("miner", "batch_all", "--set", "max=1"), "max: unknown key"),
        (("miner", "batch_all", "--set", "max"), "--set max: must be written key.path=value"),
        (("miner", "batch_al"), "unknown miner 'batch_al', did you mean 'batch_all'?"),
        (("miner",), "which miner? name it too"),
    ],
)
def test_what_cannot_be_checked_is_told_before_any_test(
    facenet, arguments: tuple[str, ...], sentence: str
) -> None:
    ran = facenet("plugins", "check", *arguments)
    assert ran.code == 2
    assert sentence in ran.err


def test_a_check_without_pytest_names_the_extra() -> None:
    script = (
        "import sys; sys.modules['pytest'] = None\n"
        "from facenet.cli import main\n"
        "sys.exit(main(['plugins', 'check', 'store', 'memory']))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.returncode == 2
    assert ran.stderr == "facenet: checking needs pytest: pip install 'facenet-kit[test]'\n"
