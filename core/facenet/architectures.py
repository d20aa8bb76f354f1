"""What backbone plugins offer, and which plugin a backbone's name in YAML stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facenet.errors import BrokenPlugin, PluginError, UnknownPlugin
from facenet.plugin_loading import PluginRef, named
from facenet.text import did_you_mean
from facenet.types import Architecture

if TYPE_CHECKING:
    from facenet.plugins import Plugin, Registry

PREFERRED_BACKBONES = "torchvision"
"""Where a bare architecture name is looked up before the other backbone plugins."""


def by_preference(registry: Registry) -> list[PluginRef]:
    """The installed backbone plugins in the order in which bare names are looked up."""
    return sorted(registry.refs("backbone"), key=lambda ref: ref.name != PREFERRED_BACKBONES)


def architectures(plugin: Plugin) -> list[Architecture]:
    """What a backbone plugin offers; a plugin that lists nothing offers its own name."""
    try:
        offered = plugin.call("list_architectures") or [plugin.ref.name]
        return [item if isinstance(item, Architecture) else Architecture(item) for item in offered]
    except PluginError:
        raise
    except Exception as error:
        # Whatever a stranger's hook raises, it is that plugin's failure alone.
        raise BrokenPlugin(f"{plugin.ref}: list_architectures() raised {named(error)}") from error


def architecture_names(plugin: Plugin) -> list[str]:
    """The names of what a backbone plugin offers."""
    return [architecture.name for architecture in architectures(plugin)]


def resolve(registry: Registry, name: str) -> tuple[Plugin, str]:
    """The plugin and the architecture that a backbone name in YAML stands for.

    `plugin/architecture` names both. A bare name is first a plugin's own name (its first
    architecture), then an architecture, looked up in the preferred plugin before the others:
    those are not even imported when it is found there.
    """
    plugin_name, slash, architecture = name.partition("/")
    if slash:
        return _in_plugin(registry.load("backbone", plugin_name), architecture), architecture
    if any(name in (ref.name, ref.qualified_name) for ref in registry.refs("backbone")):
        plugin = registry.load("backbone", name)
        offered = architecture_names(plugin)
        return plugin, (name if name in offered else offered[0])
    return _in_any_plugin(registry, name), name


def _in_plugin(plugin: Plugin, architecture: str) -> Plugin:
    offered = architecture_names(plugin)
    if architecture not in offered:
        hint = _explanation([plugin], architecture) or did_you_mean(architecture, offered)
        raise UnknownPlugin(
            f"backbone plugin {plugin.ref.name!r} has no architecture {architecture!r}{hint}"
        )
    return plugin


def _in_any_plugin(registry: Registry, architecture: str) -> Plugin:
    looked_in: list[Plugin] = []
    known: list[str] = []
    failures: list[str] = []
    for ref in by_preference(registry):
        try:
            plugin = registry.load_ref(ref)
            offered = architecture_names(plugin)
        except PluginError as error:
            failures.append(f"; {error}")
            continue
        if architecture in offered:
            return plugin
        looked_in.append(plugin)
        known += [ref.name, *offered]
    hint = _explanation(looked_in, architecture) or did_you_mean(architecture, known)
    places = ", ".join(ref.name for ref in registry.refs("backbone")) or "none"
    raise UnknownPlugin(
        f"unknown backbone {architecture!r}{hint} (looked in plugins: {places})" + "".join(failures)
    )


def _explanation(plugins: list[Plugin], architecture: str) -> str:
    """``: why it is not offered``, of the first plugin that knows, or nothing."""
    for plugin in plugins:
        if text := plugin.call("explain_architecture", name=architecture):
            return f": {text}"
    return ""
