"""From files and overrides to checked models; and back to text without secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

import yaml
from pydantic import BaseModel, SecretStr, ValidationError

from facenet.config.inference import InferenceConfig
from facenet.config.section import BackboneSlot, Section, Slot
from facenet.config.source import Source, apply_overrides, read_yaml
from facenet.errors import ConfigError, PluginError
from facenet.plugins import Plugin, Registry
from facenet.validation import KeyPath, dotted, is_secret, problems

Config = TypeVar("Config", bound=Section)
MASK = "**********"


@overload
def load_config(
    path: str | Path, *, overrides: Sequence[str] = (), check_plugins: bool = True
) -> InferenceConfig: ...


@overload
def load_config(
    path: str | Path,
    model: type[Config],
    *,
    overrides: Sequence[str] = (),
    check_plugins: bool = True,
) -> Config: ...


def load_config(
    path: str | Path,
    model: type[Section] = InferenceConfig,
    *,
    overrides: Sequence[str] = (),
    check_plugins: bool = True,
) -> Section:
    """Load a YAML file into `model`, an `InferenceConfig` unless said otherwise.

    `overrides` are ``key.path=value``. With `check_plugins` every chosen plugin is looked up and
    validates its own keys. Raises one `ConfigError` that lists all problems, each with its line.
    """
    source = read_yaml(Path(path))
    return _build(source, model, overrides, check_plugins)


def parse_config(
    values: Mapping[str, Any],
    model: type[Config],
    *,
    overrides: Sequence[str] = (),
    check_plugins: bool = True,
) -> Config:
    """Like `load_config`, from values in memory."""
    return _build(Source(None, dict(values)), model, overrides, check_plugins)


def dump_config(config: Section, registry: Registry | None = None) -> str:
    """The effective configuration as YAML, defaults included; loads again, secrets masked."""
    return yaml.safe_dump(_plain(config, registry or Registry()), sort_keys=False)


def _build(
    source: Source, model: type[Config], overrides: Sequence[str], check_plugins: bool
) -> Config:
    apply_overrides(source, overrides)
    found = list(source.problems)
    config: Config | None = None
    try:
        config = model.model_validate(source.values)
    except ValidationError as error:
        found += [_line(source, model, *problem) for problem in problems(error, model)]
    if config is not None and check_plugins:
        registry = Registry()
        found += [_line(source, model, *problem) for problem in plugin_problems(config, registry)]
    if found or config is None:
        raise ConfigError("\n".join(found))
    config._config_dir = source.path.parent if source.path else None
    return config


def plugin_problems(config: Section, registry: Registry) -> Iterator[tuple[KeyPath, str]]:
    """Per wrong plugin name or plugin option its key path and a sentence."""
    for keys, slot in _slots(config):
        try:
            plugin = _find(registry, slot)
        except PluginError as error:
            yield keys, str(error)
            continue
        yield from _option_problems(plugin, slot.options, keys)
    if isinstance(config, InferenceConfig):
        for name, options in config.frontends.items():
            try:
                plugin = registry.load("frontend", name)
            except PluginError as error:
                yield ("frontends", name), str(error)
                continue
            yield from _option_problems(plugin, options, ("frontends", name))


def _find(registry: Registry, slot: Slot) -> Plugin:
    if isinstance(slot, BackboneSlot):
        return registry.resolve_backbone(slot.name)[0]
    return registry.load(slot.kind, slot.plugin)


def _option_problems(
    plugin: Plugin, options: Mapping[str, Any], keys: KeyPath
) -> Iterator[tuple[KeyPath, str]]:
    try:
        plugin.parse_options(options)
    except ValidationError as error:
        yield from problems(error, plugin.options_model, keys)


def _slots(section: BaseModel, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Slot]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        items = enumerate(value) if isinstance(value, tuple) else [(None, value)]
        for index, item in items:
            keys = (*path, name) if index is None else (*path, name, index)
            if isinstance(item, Slot):
                yield keys, item
            elif isinstance(item, BaseModel):
                yield from _slots(item, keys)


def _line(source: Source, model: type[Section], keys: KeyPath, text: str) -> str:
    """One problem as a user reads it: `file:line: key: what is wrong`."""
    for short, full in model.short_spellings.items():
        if keys[: len(full)] == full and (short,) in source.places:
            keys = (short, *keys[len(full) :])
    where = source.place(keys)
    return f"{where}: {dotted(keys)}: {text}" if keys else f"{where}: {text}"


def _plain(value: Any, registry: Registry) -> Any:
    if isinstance(value, Slot):
        fixed = {name: item for name in type(value).model_fields if (item := getattr(value, name))}
        options = _plain_options(value, registry)
        return fixed["plugin"] if not options and len(fixed) == 1 else fixed | options
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name), registry) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {
            key: MASK if is_secret(str(key)) else _plain(item, registry)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(item, registry) for item in value]
    if isinstance(value, SecretStr):
        return MASK
    return str(value) if isinstance(value, Path) else value


def _plain_options(slot: Slot, registry: Registry) -> dict[str, Any]:
    """A slot's own keys; masked whole when nobody can say which of them are secret."""
    try:
        plugin = _find(registry, slot)
        parsed = plugin.parse_options(slot.options)
    except (PluginError, ValidationError):
        return dict.fromkeys(slot.options, MASK)
    return {key: _plain(getattr(parsed, key, item), registry) for key, item in slot.options.items()}
