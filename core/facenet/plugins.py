"""The registry: finds plugins by entry-point metadata, imports them only when chosen.

Each chosen plugin lives in a `pluggy.PluginManager` of its own, together with the installed
extensions. In a shared one, a plugin that was rejected could answer for an innocent one.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from facenet import hookspecs
from facenet.errors import (
    AmbiguousPlugin,
    BrokenPlugin,
    IncompatiblePlugin,
    MissingDependency,
    PluginError,
    UnknownPlugin,
)
from facenet.text import did_you_mean
from facenet.types import API_VERSION, KINDS, PluginInfo, PluginKind

if TYPE_CHECKING:
    from pydantic import BaseModel

logger = logging.getLogger(__name__)

EXTENSIONS_GROUP = "facenet.extensions"
PREFERRED_BACKBONES = "torchvision"
"""Where a bare architecture name is looked up before the other backbone plugins."""


def group_of(kind: PluginKind) -> str:
    """The entry-point group of a kind: 'store' -> 'facenet.stores'."""
    return f"facenet.{kind}s"


@dataclass(frozen=True, slots=True)
class PluginRef:
    """An installed plugin as its metadata describes it; nothing of it has been imported."""

    kind: str
    name: str
    distribution: str
    version: str
    entry_point: metadata.EntryPoint = field(repr=False, compare=False)

    @property
    def qualified_name(self) -> str:
        """The name that is never ambiguous, `distribution:name`."""
        return f"{self.distribution}:{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} plugin {self.name!r} of {self.distribution} {self.version}"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that was imported and fits the contract."""

    ref: PluginRef
    info: PluginInfo
    _manager: pluggy.PluginManager

    @property
    def options_model(self) -> type[BaseModel]:
        """The pydantic model of the plugin's keys; one without keys when it has none."""
        from pydantic import BaseModel, ConfigDict

        class NoOptions(BaseModel):
            model_config = ConfigDict(extra="forbid")

        return self.info.options or NoOptions

    def parse_options(
        self, options: Mapping[str, Any], context: Mapping[str, Any] | None = None
    ) -> Any:
        """Validate the plugin's keys; raises `pydantic.ValidationError`.

        `context` reaches the model's validators, for example ``{"config_dir": Path(...)}``.
        """
        return self.options_model.model_validate(dict(options), context=dict(context or {}))

    def make_from(
        self, options: Mapping[str, Any], *, config_dir: Path | None = None, **context: Any
    ) -> Any:
        """Validate options and make what the plugin makes; raises `ConfigError` for bad ones."""
        from pydantic import ValidationError

        from facenet.validation import config_error

        try:
            parsed = self.parse_options(options, {"config_dir": config_dir})
        except ValidationError as error:
            raise config_error(error, self.options_model, str(self.ref)) from error
        return self.make(parsed, **context)

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call one hook of this plugin; a missing library becomes `MissingDependency`."""
        try:
            return getattr(self._manager.hook, hook)(**arguments)
        except ModuleNotFoundError as error:
            raise _import_failure(self.ref, error, self.info.install) from error

    def make(self, options: Any, **context: Any) -> Any:
        """Call the plugin's `make_<kind>` hook."""
        made = self.call(f"make_{self.ref.kind}", options=options, **context)
        if made is None:
            raise IncompatiblePlugin(f"{self.ref} implements no hook make_{self.ref.kind}")
        return made


class Registry:
    """All plugins installed in this environment."""

    def __init__(self) -> None:
        self._refs = [ref for kind in KINDS for ref in _installed(kind, group_of(kind))]

    def refs(self, kind: PluginKind | None = None) -> list[PluginRef]:
        """What is installed, by metadata alone, in order of kind, name and distribution."""
        return [ref for ref in self._refs if kind in (None, ref.kind)]

    def find(self, kind: PluginKind, name: str) -> PluginRef:
        """The one plugin of that name, or of `distribution:name`.

        Raises `UnknownPlugin` or `AmbiguousPlugin`; both say what would be right.
        """
        distribution, _, bare = name.rpartition(":")
        found = [
            ref
            for ref in self.refs(kind)
            if ref.name == bare and distribution in ("", ref.distribution)
        ]
        if not found:
            names = sorted({ref.name for ref in self.refs(kind)})
            raise UnknownPlugin(
                f"unknown {kind} {name!r}{did_you_mean(name, names)}; "
                f"installed: {', '.join(names) or 'none'}"
            )
        if len(found) > 1:
            choices = " or ".join(repr(ref.qualified_name) for ref in found)
            raise AmbiguousPlugin(f"{kind} {name!r} is offered more than once: choose {choices}")
        return found[0]

    def load(self, kind: PluginKind, name: str) -> Plugin:
        """Import a plugin and check it against the contract.

        Raises one of the five subclasses of `PluginError`, always naming the distribution.
        """
        return self.load_ref(self.find(kind, name))

    def load_ref(self, ref: PluginRef) -> Plugin:
        """Like `load`, for a plugin that `refs` listed."""
        manager = _manager()
        _register(manager, ref)
        info = manager.hook.facenet_info()
        if not isinstance(info, PluginInfo):
            raise IncompatiblePlugin(f"{ref}: facenet_info() gave {info!r}, not a PluginInfo")
        if info.api_version != API_VERSION:
            raise IncompatiblePlugin(
                f"{ref} is written for plugin API {info.api_version}; "
                f"this facenet speaks {API_VERSION}"
            )
        # Only now, so that no extension can answer for the plugin.
        for _, extension in self._extensions:
            manager.register(extension)
        return Plugin(ref, info, manager)

    def check(self) -> list[tuple[PluginRef, PluginError | None]]:
        """Load every plugin and extension on its own; per plugin its error, or None."""
        results: list[tuple[PluginRef, PluginError | None]] = []
        for ref in self._refs:
            try:
                self.load_ref(ref)
                results.append((ref, None))
            except PluginError as error:
                results.append((ref, error))
        loaded = {ref for ref, _ in self._extensions}
        for ref in _installed("extension", EXTENSIONS_GROUP):
            results.append((ref, None if ref in loaded else _extension_error(ref)))
        return results

    def resolve_backbone(self, name: str) -> tuple[Plugin, str]:
        """The plugin and the architecture that a backbone name in YAML stands for.

        `plugin/architecture` names both. A bare name is first a plugin's own name (its first
        architecture), then an architecture, looked up in torchvision before the others.
        """
        plugin_name, _, architecture = name.rpartition("/")
        if plugin_name:
            plugin = self.load("backbone", plugin_name)
            offered = architectures(plugin)
            if architecture not in offered:
                raise UnknownPlugin(
                    f"backbone plugin {plugin_name!r} has no architecture {architecture!r}"
                    f"{did_you_mean(architecture, offered)}"
                )
            return plugin, architecture
        refs = self.refs("backbone")
        if any(name in (ref.name, ref.qualified_name) for ref in refs):
            plugin = self.load("backbone", name)
            return plugin, (name if name in architectures(plugin) else architectures(plugin)[0])
        known: list[str] = []
        failures: list[str] = []
        for ref in sorted(refs, key=lambda ref: ref.name != PREFERRED_BACKBONES):
            try:
                plugin = self.load_ref(ref)
                offered = architectures(plugin)
            except PluginError as error:
                failures.append(str(error))
                continue
            if name in offered:
                return plugin, name
            known += [ref.name, *offered]
        counts = ", ".join(ref.name for ref in refs) or "none"
        raise UnknownPlugin(
            f"unknown backbone {name!r}{did_you_mean(name, known)}; looked in plugins: {counts}"
            + "".join(f"; {failure}" for failure in failures)
        )

    @cached_property
    def observers(self) -> pluggy.HookRelay:
        """The hooks of all extensions, to be called through `notify`."""
        manager = _manager()
        for _, extension in self._extensions:
            manager.register(extension)
        return manager.hook

    def notify(self, event: str, **arguments: Any) -> None:
        """Tell every extension what has happened.

        What was done is done: an observer's failure is logged with its traceback and does not
        make the call that it observed fail.
        """
        try:
            getattr(self.observers, event)(**arguments)
        except Exception:
            logger.exception("an extension failed in %s", event)

    @cached_property
    def _extensions(self) -> list[tuple[PluginRef, Any]]:
        extensions = []
        for ref in _installed("extension", EXTENSIONS_GROUP):
            try:
                extensions.append((ref, _register(_manager(), ref)))
            except PluginError as error:
                logger.warning("extension skipped: %s", error)
        return extensions


def architectures(plugin: Plugin) -> list[str]:
    """What a backbone plugin offers; a plugin that lists nothing offers its own name."""
    return list(plugin.call("list_architectures") or [plugin.ref.name])


def _installed(kind: str, group: str) -> list[PluginRef]:
    refs = [
        PluginRef(
            kind=kind,
            name=entry_point.name,
            distribution=re.sub(r"[-_.]+", "-", entry_point.dist.name).lower(),
            version=entry_point.dist.version,
            entry_point=entry_point,
        )
        for entry_point in metadata.entry_points(group=group)
        if entry_point.dist is not None
    ]
    return sorted(refs, key=lambda ref: (ref.name, ref.distribution))


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    if os.environ.get("FACENET_TRACE"):
        manager.add_hookcall_monitoring(before=_trace, after=lambda *_: None)
    return manager


def _trace(hook: str, implementations: list[pluggy.HookImpl], _arguments: Any) -> None:
    # Arguments stay out: they may hold images, vectors or passwords.
    names = ", ".join(implementation.plugin_name for implementation in implementations)
    print(f"facenet hook {hook} -> {names or 'nobody'}", file=sys.stderr)  # noqa: T201


def _register(manager: pluggy.PluginManager, ref: PluginRef) -> Any:
    """Import a plugin into `manager`; every failure comes out as a named `PluginError`."""
    try:
        implementation = ref.entry_point.load()
    except ModuleNotFoundError as error:
        raise _import_failure(ref, error, None) from error
    except Exception as error:
        # Whatever a stranger's module raises at import, it is that plugin's failure alone.
        raise BrokenPlugin(
            f"{ref} failed to import: {type(error).__name__}: {error} ({ref.entry_point.value})"
        ) from error
    try:
        manager.register(implementation, name=ref.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        reason = " ".join(str(error).split())
        raise IncompatiblePlugin(f"{ref} does not fit the hooks: {reason}") from error
    return implementation


def _extension_error(ref: PluginRef) -> PluginError | None:
    try:
        _register(_manager(), ref)
    except PluginError as error:
        return error
    return None


def _import_failure(
    ref: PluginRef, error: ModuleNotFoundError, install: str | None
) -> BrokenPlugin | MissingDependency:
    """Tell a library that is not installed from a plugin whose own module is missing."""
    missing = (error.name or "").partition(".")[0]
    own = ref.entry_point.module.partition(".")[0]
    if missing in ("", own, "facenet"):
        return BrokenPlugin(f"{ref} failed to import: {error} ({ref.entry_point.value})")
    hint = install or f"pip install {missing}"
    return MissingDependency(f"{ref} needs the library {missing!r}, not installed: {hint}")
