"""The floors of the house, as import-linter checks them: it passes over what stands on none."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_module_stands_on_one_floor() -> None:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    named = [
        name for floor in linter["contracts"][0]["layers"] for name in re.split(" [|:] ", floor)
    ]
    core = [path for path in (ROOT / "core" / "facenet").iterdir() if path.name[:2] != "__"]
    modules = {f"facenet.{path.stem}" for path in core if path.is_dir() or path.suffix == ".py"}
    outside = {name for name in linter["root_packages"] if name != "facenet"}
    assert sorted(named) == sorted({"facenet.__main__", *modules, *outside})
