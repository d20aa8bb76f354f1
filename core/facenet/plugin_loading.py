"""One plugin from its metadata to an implementation that fits; every failure by name.

Nothing here knows which plugins are chosen or how they are used: see `facenet.plugins`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import pluggy

from facenet import hookspecs
from facenet.errors import BrokenPlugin, IncompatiblePlugin, MissingDependency
from facenet.text import did_you_mean
from facenet.types import API_VERSION, PluginInfo

HOOKS = [name for name, hook in vars(hookspecs).items() if hasattr(hook, "facenet_spec")]


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


def installed(kind: str, group: str) -> list[PluginRef]:
    """What an entry-point group holds, by metadata alone, in order of name and distribution."""
    refs = [
        PluginRef(
            kind=kind,
            name=entry_point.name,
            distribution=normalized(entry_point.dist.name),
            version=entry_point.dist.version,
            entry_point=entry_point,
        )
        for entry_point in metadata.entry_points(group=group)
        if entry_point.dist is not None
    ]
    return sorted(refs, key=lambda ref: (ref.name, ref.distribution))


def new_manager() -> pluggy.PluginManager:
    """A manager that knows the contract and no plugin."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    if os.environ.get("FACENET_TRACE"):
        manager.add_hookcall_monitoring(before=_trace, after=lambda *_: None)
    return manager


def _trace(
    hook: str, implementations: Sequence[pluggy.HookImpl], _arguments: Mapping[str, Any]
) -> None:
    # Arguments stay out: they may hold images, vectors or passwords.
    names = ", ".join(implementation.plugin_name for implementation in implementations)
    print(f"facenet hook {hook} -> {names or 'nobody'}", file=sys.stderr)  # noqa: T201


def register(manager: pluggy.PluginManager, ref: PluginRef) -> Any:
    """Import a plugin into `manager`; every failure comes out as a named `PluginError`."""
    try:
        implementation = ref.entry_point.load()
    except ModuleNotFoundError as error:
        raise import_failure(ref, error, None) from error
    except (Exception, SystemExit) as error:
        # Whatever a stranger's module raises at import, it is that plugin's failure alone.
        raise BrokenPlugin(
            f"{ref} failed to import: {named(error)} ({ref.entry_point.value})"
        ) from error
    try:
        manager.register(implementation, name=ref.qualified_name)
    except pluggy.PluginValidationError as error:
        raise IncompatiblePlugin(f"{ref} does not fit: {_misfit(error)}") from error
    for hook in manager.get_hookcallers(implementation) or ():
        if not hook.has_spec():
            raise IncompatiblePlugin(
                f"{ref} implements an unknown hook {hook.name!r}{did_you_mean(hook.name, HOOKS)}"
            )
    return implementation


def _misfit(error: pluggy.PluginValidationError) -> str:
    """pluggy's reason in one line, and the arguments that the contract has."""
    reason = " ".join(str(error).splitlines()[1:]).removeprefix("hookimpl definition: ")
    hook = getattr(new_manager().hook, reason.partition("(")[0], None)
    if hook is None or hook.spec is None:
        return " ".join(str(error).split())
    return f"{reason}; the contract is {hook.name}({', '.join(hook.spec.argnames)})"


def load_extension(ref: PluginRef) -> Any:
    """Import an extension; it may watch every call, but answer none in a plugin's place."""
    manager = new_manager()
    extension = register(manager, ref)
    for hook in manager.get_hookcallers(extension) or ():
        if hook.name == "facenet_info":
            continue
        answers = any(not (impl.wrapper or impl.hookwrapper) for impl in hook.get_hookimpls())
        if answers and hook.spec is not None and hook.spec.opts["firstresult"]:
            raise IncompatiblePlugin(
                f"{ref} may only wrap {hook.name}: mark it with hookimpl(wrapper=True)"
            )
    return extension


def read_info(manager: pluggy.PluginManager, ref: PluginRef) -> PluginInfo:
    """What a plugin says about itself, when it speaks our version of the contract."""
    if not manager.hook.facenet_info.get_hookimpls():
        raise IncompatiblePlugin(f"{ref} implements no hook facenet_info")
    try:
        info = manager.hook.facenet_info()
    except ModuleNotFoundError as error:
        raise import_failure(ref, error, None) from error
    except Exception as error:
        raise BrokenPlugin(f"{ref}: facenet_info() raised {named(error)}") from error
    if not isinstance(info, PluginInfo):
        raise IncompatiblePlugin(f"{ref}: facenet_info() gave {info!r}, not a PluginInfo")
    if info.api_version != API_VERSION:
        raise IncompatiblePlugin(
            f"{ref} is written for plugin API {info.api_version}; this facenet speaks {API_VERSION}"
        )
    return info


def normalized(distribution: str) -> str:
    """The one spelling of a distribution's name: 'My_Plugin' -> 'my-plugin'."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def named(error: BaseException) -> str:
    """'ValueError: what was wrong'."""
    return f"{type(error).__name__}: {error}"


def import_failure(
    ref: PluginRef, error: ModuleNotFoundError, install: str | None
) -> BrokenPlugin | MissingDependency:
    """Tell a library that is not installed from a plugin whose own module is missing."""
    missing = (error.name or "").partition(".")[0]
    own = ref.entry_point.module.partition(".")[0]
    if missing in ("", own, "facenet"):
        return BrokenPlugin(f"{ref} failed to import: {error} ({ref.entry_point.value})")
    hint = install or f"pip install {missing}"
    return MissingDependency(f"{ref} needs the library {missing!r}, not installed: {hint}")
