"""From files and overrides to checked models; and back to text without secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

import yaml
from pydantic import ValidationError

from facenet.architectures import plugin_of
from facenet.config.inference import InferenceConfig
from facenet.config.section import PluginCheck, PluginOptions, Section
from facenet.config.source import Source, apply_overrides, expand_short_spellings, read_yaml
from facenet.errors import ConfigError, PluginError
from facenet.plugins import Registry
from facenet.types import PluginKind
from facenet.validation import KeyPath, is_secret, problems

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
    return _build(read_yaml(Path(path)), model, overrides, check_plugins)


def parse_config(
    values: Mapping[str, Any],
    model: type[Config],
    *,
    overrides: Sequence[str] = (),
    check_plugins: bool = True,
) -> Config:
    """Like `load_config`, from values in memory."""
    return _build(Source(values=dict(values)), model, overrides, check_plugins)


def dump_config(config: Section) -> str:
    """The effective configuration as YAML, defaults included; loads again, secrets masked."""
    return yaml.safe_dump(plain_config(config), sort_keys=False)


def plain_config(config: Section) -> dict[str, Any]:
    """The effective configuration as plain values, defaults included, secrets masked."""
    shown = _shown_options(Registry(), config.config_dir)
    return config.model_dump(mode="json", context={"shown_options": shown})


def _build(
    source: Source, model: type[Config], overrides: Sequence[str], check_plugins: bool
) -> Config:
    expand_short_spellings(source, model.short_spellings)
    apply_overrides(source, overrides, model.short_spellings)
    config_dir = source.path.parent if source.path else None
    check = _plugin_check(Registry(), config_dir) if check_plugins else None
    try:
        config = model.model_validate(source.values, context={"check_plugin": check})
    except ValidationError as error:
        for keys, text in problems(error, model):
            source.report(keys, text)
    if source.problems:
        raise ConfigError("\n".join(source.sentences()))
    config._config_dir = config_dir
    return config


def _plugin_check(registry: Registry, config_dir: Path | None) -> PluginCheck:
    """What slots call while they are validated: is the plugin there, and are its keys right?"""

    def check(kind: PluginKind, name: str, options: Mapping[str, Any]) -> list[tuple[KeyPath, str]]:
        try:
            plugin = plugin_of(registry, kind, name)
            plugin.parse_options(options, {"config_dir": config_dir})
        except PluginError as error:
            return [((), str(error))]
        except ValidationError as error:
            return list(problems(error, plugin.options_model))
        return []

    return check


def _shown_options(registry: Registry, config_dir: Path | None) -> PluginOptions:
    """What slots call while they are dumped: their options, fit to be shown."""

    def shown(kind: PluginKind, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        if not options:
            return {}
        try:
            plugin = plugin_of(registry, kind, name)
            parsed = plugin.parse_options(options, {"config_dir": config_dir})
        except (PluginError, ValidationError):
            # Nobody can say which of them are secret.
            return {key: _masked(value) for key, value in options.items()}
        plain = parsed.model_dump(mode="json")
        return {key: _without_secrets(key, plain.get(key, MASK)) for key in options}

    return shown


def _without_secrets(key: str, value: Any) -> Any:
    if is_secret(key):
        return _masked(value)
    if isinstance(value, dict):
        return {inner: _without_secrets(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(key, item) for item in value]
    return value


def _masked(value: Any) -> Any:
    """The same shape, so that it loads again, with nothing to read in it."""
    if isinstance(value, Mapping):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return value if value is None else MASK
