"""The registry: finds plugins by entry-point metadata, imports them only when chosen.

Each chosen plugin lives in a `pluggy.PluginManager` of its own, together with the installed
extensions. In a shared one, a plugin that was rejected could answer for an innocent one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from facenet.errors import (
    AmbiguousPlugin,
    BrokenPlugin,
    IncompatiblePlugin,
    PluginError,
    StoreError,
    UnknownPlugin,
)
from facenet.plugin_loading import (
    PluginRef,
    import_failure,
    installed,
    load_extension,
    new_manager,
    normalized,
    read_info,
    register,
)
from facenet.text import did_you_mean
from facenet.types import KINDS, PluginInfo, PluginKind

if TYPE_CHECKING:
    from pydantic import BaseModel

    from facenet.stores import StoreManager

logger = logging.getLogger(__name__)

EXTENSIONS_GROUP = "facenet.extensions"


def group_of(kind: PluginKind) -> str:
    """The entry-point group of a kind: 'store' -> 'facenet.stores'."""
    return f"facenet.{kind}s"


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
        return self.make(self.checked_options(options, config_dir), **context)

    def manage_from(
        self, options: Mapping[str, Any], *, config_dir: Path | None = None
    ) -> StoreManager:
        """Likewise, what manages the place of a store; raises `StoreError` where the plugin has
        none."""
        manager: StoreManager | None = self.call(
            "manage_store", options=self.checked_options(options, config_dir)
        )
        if manager is None:
            raise StoreError(
                f"the store {self.ref.name!r} has nothing to manage: no server, no files"
            )
        return manager

    def checked_options(self, options: Mapping[str, Any], config_dir: Path | None) -> Any:
        """The plugin's options, validated; raises `ConfigError` for bad ones."""
        from pydantic import ValidationError

        from facenet.validation import config_error

        try:
            return self.parse_options(options, {"config_dir": config_dir})
        except ValidationError as error:
            # Without its cause: pydantic's own text shows the values, secrets included.
            raise config_error(error, self.options_model, str(self.ref)) from None

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call one hook of this plugin; a missing library becomes `MissingDependency`."""
        try:
            return getattr(self._manager.hook, hook)(**arguments)
        except ModuleNotFoundError as error:
            raise import_failure(self.ref, error, self.info.install) from error

    def make(self, options: Any, **context: Any) -> Any:
        """Call the plugin's `make_<kind>` hook."""
        made = self.call(f"make_{self.ref.kind}", options=options, **context)
        if made is None:
            raise BrokenPlugin(f"{self.ref}: make_{self.ref.kind} returned nothing")
        return made


class Registry:
    """All plugins installed in this environment."""

    def __init__(self) -> None:
        self._refs = [ref for kind in KINDS for ref in installed(kind, group_of(kind))]

    def refs(self, kind: PluginKind | None = None) -> list[PluginRef]:
        """What is installed, by metadata alone, in order of kind, name and distribution."""
        return [ref for ref in self._refs if kind in (None, ref.kind)]

    def find(self, kind: PluginKind, name: str) -> PluginRef:
        """The one plugin of that name, or of `distribution:name`.

        Raises `UnknownPlugin` or `AmbiguousPlugin`; both say what would be right.
        """
        distribution, _, bare = name.rpartition(":")
        distribution = normalized(distribution)
        found = [
            ref
            for ref in self.refs(kind)
            if ref.name == bare and distribution in ("", ref.distribution)
        ]
        if not found:
            names = sorted({ref.name for ref in self.refs(kind)})
            qualified = [ref.qualified_name for ref in self.refs(kind)]
            raise UnknownPlugin(
                f"unknown {kind} {name!r}{did_you_mean(name, names + qualified)} "
                f"(installed: {', '.join(names) or 'none'})"
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
        manager = new_manager()
        register(manager, ref)
        info = read_info(manager, ref)
        make = f"make_{ref.kind}"
        if not getattr(manager.hook, make).get_hookimpls():
            raise IncompatiblePlugin(f"{ref} implements no hook {make}")
        # Only now, so that no extension can answer for the plugin.
        self._add_extensions(manager)
        return Plugin(ref, info, manager)

    def check(self) -> list[tuple[PluginRef, PluginError | None]]:
        """Load every plugin and extension on its own; per plugin its error, or None."""
        results: list[tuple[PluginRef, PluginError | None]] = []
        for ref in [*self._refs, *installed("extension", EXTENSIONS_GROUP)]:
            try:
                load_extension(ref) if ref.kind == "extension" else self.load_ref(ref)
                results.append((ref, None))
            except PluginError as error:
                results.append((ref, error))
        return results

    def notify(self, event: str, **arguments: Any) -> None:
        """Tell every extension what has happened.

        What was done is done: an observer's failure is logged with its traceback. It does not
        make the call that it observed fail, nor keep the other extensions from being told.
        """
        for ref, hooks in self._observers:
            try:
                getattr(hooks, event)(**arguments)
            except Exception:
                logger.exception("%s failed in %s", ref, event)

    @cached_property
    def _observers(self) -> list[tuple[PluginRef, pluggy.HookRelay]]:
        """Each extension's own hooks: in a shared manager the first failure ends a call."""
        observers = []
        for ref, extension in self._extensions:
            manager = new_manager()
            manager.register(extension, name=f"extension {ref.qualified_name}")
            observers.append((ref, manager.hook))
        return observers

    @cached_property
    def _extensions(self) -> list[tuple[PluginRef, Any]]:
        extensions = []
        for ref in installed("extension", EXTENSIONS_GROUP):
            try:
                extensions.append((ref, load_extension(ref)))
            except PluginError as error:
                logger.warning("extension skipped: %s", error)
        return extensions

    def _add_extensions(self, manager: pluggy.PluginManager) -> None:
        for ref, extension in self._extensions:
            if not manager.is_registered(extension):
                manager.register(extension, name=f"extension {ref.qualified_name}")
