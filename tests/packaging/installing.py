"""Packages installed by pip into folders of their own, and Pythons that see them there."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

PIP_INSTALL = shlex.split("-m pip install --quiet --no-index --no-deps --no-build-isolation")
PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{distribution}"
version = "1.0"

[project.entry-points."{group}"]
{name} = "{target}"

[tool.hatch.build.targets.wheel]
only-include = ["{module}.py"]
"""

EVALUATE = """\
import sys
from facenet.architectures import resolve_backbone
from facenet.errors import PluginError
from facenet.plugins import Registry

registry = Registry()
try:
    print(eval(sys.argv[1]))
except PluginError as error:
    print(f"{type(error).__name__}: {error}")
"""


@dataclass(frozen=True)
class Package:
    """One distribution with one module and one entry point."""

    distribution: str
    group: str
    name: str
    source: str
    target: str = ""

    @property
    def module(self) -> str:
        return self.distribution.replace("-", "_")

    def write(self, folder: Path) -> Path:
        root = folder / self.distribution
        root.mkdir(parents=True)
        values = {"distribution": self.distribution, "group": self.group, "name": self.name}
        target = self.target or self.module
        pyproject = PYPROJECT.format(**values, module=self.module, target=target)
        (root / "pyproject.toml").write_text(pyproject, encoding="utf-8")
        (root / f"{self.module}.py").write_text(dedent(self.source), encoding="utf-8")
        return root


@dataclass(frozen=True)
class Environment:
    """Installed packages, looked at by a Python of its own."""

    folder: Path

    def run(self, expression: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Evaluate an expression over `registry` and print its value, or the plugin error."""
        return _python(self.folder, "-c", EVALUATE, expression, **variables)

    def evaluate(self, expression: str) -> str:
        result = self.run(expression)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()


def install(packages: Sequence[Package], folder: Path) -> Environment:
    """Write all packages, and pip-install them into a folder that no other test sees."""
    sources = [package.write(folder / "src") for package in packages]
    return Environment(pip_install(folder / "site", *sources))


def pip_install(target: Path, *sources: Path) -> Path:
    subprocess.run([sys.executable, *PIP_INSTALL, "--target", target, *sources], check=True)
    return target


def run(
    site: Path, *arguments: object, given: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """`python -m ARGUMENTS` where what is in `site` is installed."""
    return _python(site, "-m", *arguments, given=given, **variables)


def said(site: Path, *arguments: object, **variables: str) -> str:
    """What the same prints, which must succeed."""
    done = run(site, *arguments, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _python(
    site: Path, *arguments: object, given: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        input=given,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(site), **variables},
    )
