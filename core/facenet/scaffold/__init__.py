"""A plugin to begin with: an installable package whose tests pass as it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template

from facenet.architectures import listed
from facenet.errors import RequestError
from facenet.plugins import Registry, group_of
from facenet.types import PluginKind

_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "plugin.py": "$module/__init__.py",
    "made.py": "$module/$kind.py",
    "tests.py": "tests/test_$name.py",
}
"""Templates, each `<kind>/<name>.txt` or else `common/<name>.txt`, and where they are written."""
_WITH_TORCH = ("backbone", "miner", "frontend")


def new_plugin(kind: PluginKind, name: str, out: Path) -> Path:
    """Write a package with a plugin of that name into a new folder in `out`; return the folder.

    Raises `RequestError` for a name that cannot be one, or that an installed plugin has, and for a
    folder that is there.
    """
    _check_name(kind, name)
    folder = out / f"facenet-{name.replace('_', '-')}-{kind}"
    if folder.exists():
        raise RequestError(
            f"{folder}: is there already; nothing is overwritten, name another --out"
        )
    values = {
        "kind": kind,
        "name": name,
        "distribution": folder.name,
        "module": folder.name.replace("-", "_"),
        "made": f"{name.title().replace('_', '')}{kind.title()}",
        "group": group_of(kind),
        "facenet": "facenet-kit[train]" if kind in _WITH_TORCH else "facenet-kit",
        "use": _text(kind, "use", {"name": name}).strip(),
    }
    for template, target in _FILES.items():
        path = folder / Template(target).substitute(values)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_text(kind, template, values), encoding="utf-8")
    return folder


def _check_name(kind: PluginKind, name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise RequestError(
            f"{kind} name {name!r}: must be small letters and digits, words with _ between, "
            "a letter first, as in my_net2"
        )
    registry = Registry()
    takers = [ref.distribution for ref in registry.refs(kind) if ref.name == name]
    if kind == "backbone":
        takers += [
            str(plugin.ref)
            for plugin, offered in listed(registry, [])
            if name in [architecture.name for architecture in offered]
        ]
    if takers:
        raise RequestError(f"{kind} name {name!r}: {takers[0]} has it; choose another")


def _text(kind: PluginKind, template: str, values: Mapping[str, str]) -> str:
    """A template with its values filled in."""
    here = resources.files(__name__)
    own = here / kind / f"{template}.txt"
    file = own if own.is_file() else here / "common" / f"{template}.txt"
    return Template(file.read_text(encoding="utf-8")).substitute(values)
