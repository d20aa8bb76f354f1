"""Loads one plugin, and makes what it makes, where its libraries are not installed.

Run in a process and a folder of its own; prints what `Probed` holds as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

HEAVY = ("torch", "cv2", "gradio")
_OF_FACENET = (
    "annotated_types",
    "click",
    "license_expression",
    "numpy",
    "PIL.Image",
    "pydantic.fields",
    "rich",
    "yaml",
)
"""What every installation of facenet has."""
_OF_PYTHON = "_sysconfigdata"
"""The standard library's one module that is named after the machine."""


class Probed(NamedTuple):
    """`heavy`: what loading has imported; `error` and `said`: what making has raised, if it has."""

    heavy: list[str]
    error: str | None
    said: str


class _Only:
    """A finder of modules that finds no others than some top-level ones and Python's own."""

    def __init__(self, finder: Any, known: set[str]) -> None:
        self._finder = finder
        self._known = known

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        top = name.partition(".")[0]
        if top in self._known or top in sys.stdlib_module_names or top.startswith(_OF_PYTHON):
            return self._finder.find_spec(name, path, target)
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)


@cache
def probe(kind: str, name: str, options: str) -> Probed:
    """Look at an installed plugin; `options` is JSON. The plugin must load."""
    with TemporaryDirectory(prefix="facenet-probe-") as folder:
        ran = subprocess.run(
            [sys.executable, "-m", __name__, kind, name, options],
            cwd=folder,
            capture_output=True,
            text=True,
        )
    assert ran.returncode == 0, f"the plugin cannot be loaded by itself:\n{ran.stderr}"
    return Probed(*json.loads(ran.stdout.splitlines()[-1]))


def _look_at(kind: Any, name: str, options: dict[str, Any]) -> Probed:
    from facenet.plugins import Registry
    from facenet.testing.making import ARGUMENTS

    registry = Registry()
    plugin = registry.load(kind, name)
    heavy = [library for library in HEAVY if library in sys.modules]
    for library in _OF_FACENET:
        import_module(library)
    known = {module.partition(".")[0] for module in sys.modules}
    known |= {ref.entry_point.module.partition(".")[0] for ref in registry.refs()}
    sys.meta_path[:] = [_Only(finder, known) for finder in sys.meta_path]
    try:
        plugin.make_from(options, config_dir=Path.cwd(), **ARGUMENTS[kind])
    except Exception as error:
        missing = isinstance(error, ImportError)
        return Probed(heavy, "ImportError" if missing else type(error).__name__, str(error))
    return Probed(heavy, None, "")


if __name__ == "__main__":
    found = _look_at(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
    print(json.dumps(found))  # noqa: T201
