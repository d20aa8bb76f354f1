"""Raw configuration values, each with the line where it was written.

Three things are laid over each other here: a YAML file, the short spellings in it, and
`--set` overrides. Environment values are filled in on the way.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from facenet.config.section import ShortSpelling
from facenet.errors import ConfigError
from facenet.validation import KeyPath, sentence

_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$\{)|\{(?:(?P<name>[A-Za-z_]\w*)(?::(?P<default>[^}]*))?\})?)"
)
_OVERRIDE = 0
"""The 'line' of a value that came from the command line; such problems are told first."""


@dataclass
class Source:
    """Values, the lines they stand on, the keys as they were written, and what is wrong."""

    path: Path | None = None
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    written: dict[KeyPath, KeyPath] = field(default_factory=dict)
    problems: list[tuple[int, KeyPath, str]] = field(default_factory=list)

    def report(self, keys: KeyPath, text: str, line: int | None = None) -> None:
        """Note a problem; a key that is already known to be wrong is not reported again."""
        if any(keys == known for _, known, _ in self.problems):
            return
        self.problems.append((self._line(keys) if line is None else line, keys, text))

    def sentences(self) -> Iterator[str]:
        """`file:line: key: what is wrong` in order of lines."""
        for line, keys, text in sorted(self.problems, key=lambda problem: problem[0]):
            message = sentence(self._as_written(keys), text)
            if line == _OVERRIDE:
                yield f"--set {message}"
            else:
                yield f"{self.path}:{line}: {message}" if self.path else message

    def _line(self, keys: KeyPath) -> int:
        """The line of a key, or of the nearest key above it that was written."""
        prefixes = (keys[:length] for length in range(len(keys), 0, -1))
        return next((self.lines[part] for part in prefixes if part in self.lines), 1)

    def _as_written(self, keys: KeyPath) -> KeyPath:
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.written:
                return self.written[keys[:length]] + keys[length:]
        return keys


def read_yaml(path: Path) -> Source:
    """Read one YAML file; all problems of its text are collected in the source.

    Raises `ConfigError` when nothing can be read: no such file, no YAML, no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: cannot be read: not UTF-8 text") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {_reason(error)}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    source = Source(path)
    if root is None:
        return source
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"{path}:1: must be a mapping of keys, such as 'seed: 0'")
    try:
        source.values = _Reader(source).mapping(root, ())
    except RecursionError:
        raise ConfigError(f"{path}: not valid YAML: an alias refers to itself") from None
    return source


def expand_short_spellings(source: Source, spellings: Mapping[str, ShortSpelling]) -> None:
    """Move what was spelled short to the slots that it stands for."""
    given = set(source.values)
    for name in [name for name in spellings if name in given]:
        short, value = spellings[name], source.values.pop(name)
        if short.slot in given:
            source.report((name,), f"give either {name} or {short.slot}, not both")
        elif short.option is None and not isinstance(value, dict):
            source.report((name,), "must be a mapping of keys, such as {host: db.example}")
        elif short.option is None and "plugin" in value:
            source.report((name, "plugin"), f"write {short.slot} instead of {name} to choose one")
        else:
            slot = source.values.setdefault(short.slot, {"plugin": short.plugin})
            slot.update(value if short.option is None else {short.option: value})
            source.written[short.keys] = (name,)
            source.written.setdefault((short.slot,), (name,))
            for keys, line in list(source.lines.items()):
                if keys[0] == name:
                    source.lines[short.keys + keys[1:]] = line
                    source.lines.setdefault((short.slot,), line)


def apply_overrides(
    source: Source, overrides: Iterable[str], spellings: Mapping[str, ShortSpelling]
) -> None:
    """Lay `key.path=value` overrides over a source; values are read as YAML."""
    for override in overrides:
        key, equals, text = override.partition("=")
        written: KeyPath = tuple(
            int(part) if part.isdecimal() else part for part in key.strip().split(".")
        )
        if not equals or "" in written:
            source.report((key or "''",), "must be written key.path=value", _OVERRIDE)
            continue
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            source.report(written, f"not valid YAML: {_reason(error)}", _OVERRIDE)
            continue
        keys, value = written, _Reader(source, _OVERRIDE).value(node, written) if node else None
        if short := spellings.get(str(written[0])):
            keys = short.keys + written[1:]
            source.values.setdefault(short.slot, {"plugin": short.plugin})
            if keys == (short.slot,) and isinstance(value, dict):
                value = {"plugin": short.plugin, **value}
        source.values = _replaced(source.values, keys, value)
        for places in (source.lines, source.written):
            for old in [old for old in places if old[: len(keys)] == keys]:
                del places[old]
        source.written[keys] = written
        for length in range(1, len(keys)):
            source.lines.setdefault(keys[:length], _OVERRIDE)
        source.lines[keys] = _OVERRIDE


def options_from(overrides: Iterable[str]) -> dict[str, Any]:
    """The values of `key=value` overrides alone; raises `ConfigError` for what is none."""
    source = Source()
    apply_overrides(source, overrides, {})
    if source.problems:
        raise ConfigError("\n".join(source.sentences()))
    return source.values


def _replaced(old: Any, keys: KeyPath, value: Any) -> Any:
    """`old` with another value at `keys`; mappings are made on the way where none are."""
    if not keys:
        return value
    head, rest = keys[0], keys[1:]
    if isinstance(old, list) and isinstance(head, int) and head < len(old):
        return [_replaced(item, rest, value) if i == head else item for i, item in enumerate(old)]
    if isinstance(old, str):  # `store: pgvector` with --set store.port=1 keeps the plugin's name
        old = {"plugin": old}
    old = old if isinstance(old, dict) else {}
    return {**old, str(head): _replaced(old.get(str(head)), rest, value)}


class _Reader:
    """Turns YAML nodes into plain values, noting lines and problems in a source."""

    def __init__(self, source: Source, line: int | None = None) -> None:
        self.source = source
        self.fixed_line = line
        self.constructor = yaml.SafeLoader("")
        self.merged: set[int] = set()

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        self.merge(node, path)
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            here = (*path, str(key_node.value))
            self.source.lines[here] = self.line(key_node)
            values[str(key_node.value)] = self.value(value_node, here)
        return values

    def merge(self, node: yaml.MappingNode, path: KeyPath) -> None:
        """Check the keys as written, then resolve YAML's merge key '<<'; once for each node."""
        if id(node) in self.merged:
            return
        self.merged.add(id(node))
        seen: set[str] = set()
        for key_node, _ in list(node.value):
            if not isinstance(key_node, yaml.ScalarNode):
                self.source.report(path, "a key must be a plain word", self.line(key_node))
                node.value = [item for item in node.value if item[0] is not key_node]
            elif key_node.value in seen:
                here = (*path, key_node.value)
                self.source.report(here, "this key is given twice", self.line(key_node))
            else:
                seen.add(key_node.value)
        try:
            self.constructor.flatten_mapping(node)
        except yaml.YAMLError as error:
            self.source.report(path, _reason(error), self.line(node))
            node.value = []

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.item(item, (*path, index)) for index, item in enumerate(node.value)]
        try:
            text = _substitute(node.value)
            if text != node.value:
                return text
        except ValueError as error:
            self.source.report(path, str(error), self.line(node))
            return None
        try:
            return self.constructor.construct_object(node)
        except (ValueError, yaml.YAMLError) as error:
            # Python's own messages quote the value, which may be secret.
            reason = _reason(error) if isinstance(error, yaml.YAMLError) else "put it in quotes"
            self.source.report(path, f"not a valid YAML value: {reason}", self.line(node))
            return None

    def item(self, node: yaml.Node, path: KeyPath) -> Any:
        self.source.lines[path] = self.line(node)
        return self.value(node, path)

    def line(self, node: yaml.Node) -> int:
        return node.start_mark.line + 1 if self.fixed_line is None else self.fixed_line


def _reason(error: Exception) -> str:
    """What is wrong, without the piece of text that YAML's messages quote: it may be secret."""
    return str(getattr(error, "problem", None) or error)


def _substitute(text: str) -> str:
    """Fill in `${NAME}` and `${NAME:default}`; `$${` stays as `${`."""

    def fill(match: re.Match[str]) -> str:
        name = match["name"]
        if match["escaped"]:
            return "${"
        if name is None:
            raise ValueError("write ${NAME}, ${NAME:default}, or $${ for a plain ${")
        value = os.environ.get(name, match["default"])
        if value is None:
            raise ValueError(
                f"environment variable {name} is not set; set it or write ${{{name}:default}}"
            )
        return value

    return _VARIABLE.sub(fill, text)
