"""Reading YAML with the line of every key kept, environment values filled in, overrides laid on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from facenet.errors import ConfigError
from facenet.validation import KeyPath, dotted

_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$\{)|\{(?P<name>[A-Za-z_]\w*)(?::(?P<default>[^}]*))?\})"
)


@dataclass
class Source:
    """The raw values of a configuration and where each of them was written."""

    path: Path | None
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def place(self, keys: KeyPath) -> str:
        """`file:line` of a key, or of the nearest key above it that was written."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.places:
                return self.places[keys[:length]]
        return f"{self.path}:1" if self.path else "<values>"


def read_yaml(path: Path) -> Source:
    """Read one YAML file; all problems of its text are collected in `Source.problems`.

    Raises `ConfigError` when nothing can be read: no such file, no YAML, no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    source = Source(path)
    if root is None:
        return source
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"{path}:1: must be a mapping of keys, such as 'seed: 0'")
    source.values = _Reader(source).mapping(root, ())
    return source


def apply_overrides(source: Source, overrides: Iterable[str]) -> None:
    """Lay `key.path=value` overrides over a source; values are read as YAML."""
    for override in overrides:
        key, equals, text = override.partition("=")
        keys = key.strip().split(".")
        if not equals or not all(keys):
            source.problems.append(f"--set {override}: must be key.path=value")
            continue
        try:
            value = yaml.safe_load(_substitute(text))
        except (yaml.YAMLError, KeyError) as error:
            source.problems.append(f"--set {key}: {error}")
            continue
        target = source.values
        for part in keys[:-1]:
            child = target.get(part)
            # `store: pgvector` with --set store.port=1 keeps the plugin's name.
            child = {"plugin": child} if isinstance(child, str) else child
            target[part] = dict(child) if isinstance(child, dict) else {}
            target = target[part]
        target[keys[-1]] = value
        path: KeyPath = tuple(keys)
        source.places = {
            old: place for old, place in source.places.items() if old[: len(path)] != path
        }
        source.places[path] = f"--set {key}"


class _Reader:
    """Turns YAML nodes into plain values, noting lines."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.constructor = yaml.SafeLoader("")

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        self.constructor.flatten_mapping(node)  # YAML's merge key '<<'
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            here = (*path, key)
            if key in values:
                self.problem(line, here, "this key is given twice")
            self.source.places[here] = f"{self.source.path}:{line}"
            values[key] = self.value(value_node, here)
        return values

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            items = []
            for index, item in enumerate(node.value):
                here = (*path, index)
                self.source.places[here] = f"{self.source.path}:{item.start_mark.line + 1}"
                items.append(self.value(item, here))
            return items
        try:
            text = _substitute(node.value)
            if text != node.value:
                return text
            return self.constructor.construct_object(node)  # type: ignore[no-untyped-call]
        except (KeyError, ValueError, yaml.YAMLError) as error:
            reason = error.args[0] if error.args else error
            self.problem(node.start_mark.line + 1, path, str(reason))
            return None

    def problem(self, line: int, path: KeyPath, text: str) -> None:
        self.source.problems.append(f"{self.source.path}:{line}: {dotted(path)}: {text}")


def _substitute(text: str) -> str:
    """Fill in `${NAME}` and `${NAME:default}`; `$${` stays as `${`."""

    def fill(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "${"
        value = os.environ.get(match["name"], match["default"])
        if value is None:
            name = match["name"]
            raise KeyError(
                f"environment variable {name} is not set; set it or write ${{{name}:default}}"
            )
        return value

    return _VARIABLE.sub(fill, text)
