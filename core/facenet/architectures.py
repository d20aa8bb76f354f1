"""What backbone plugins offer, and which plugin a backbone's name in YAML stands for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from facenet.errors import AmbiguousPlugin, BrokenPlugin, PluginError, UnknownPlugin
from facenet.plugin_loading import named
from facenet.plugins import Plugin, Registry
from facenet.text import did_you_mean
from facenet.types import Architecture, PluginKind

PREFERRED_BACKBONES = "torchvision"
"""Where a bare architecture name is looked up before the other backbone plugins."""


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


def listed(
    registry: Registry, failures: list[PluginError]
) -> Iterator[tuple[Plugin, list[Architecture]]]:
    """What each backbone plugin offers, in the order in which bare names are looked up.

    One that cannot be loaded is left out, and why is added to `failures`.
    """
    for ref in sorted(registry.refs("backbone"), key=lambda ref: ref.name != PREFERRED_BACKBONES):
        try:
            plugin = registry.load_ref(ref)
            offered = architectures(plugin)
        except PluginError as error:
            failures.append(error)
        else:
            yield plugin, offered


def plugin_of(registry: Registry, kind: PluginKind, name: str) -> Plugin:
    """The plugin of a kind that a name in YAML stands for; raises `PluginError`."""
    return resolve_backbone(registry, name)[0] if kind == "backbone" else registry.load(kind, name)


def resolve_backbone(registry: Registry, name: str) -> tuple[Plugin, str]:
    """The plugin and the architecture that a backbone name in YAML stands for.

    `plugin/architecture` names both. A bare name is a plugin's own name (its first architecture)
    or an architecture: the preferred plugin's before the others', which are not even imported
    when it is found there. Raises `UnknownPlugin`, and `AmbiguousPlugin` where a bare name could
    be several of these: no package that is installed changes what a name means silently.
    """
    plugin_name, slash, architecture = name.partition("/")
    if slash:
        return _in_plugin(registry.load("backbone", plugin_name), architecture), architecture
    refs = registry.refs("backbone")
    if any(name == ref.qualified_name for ref in refs):
        return _by_its_own_name(registry.load("backbone", name))
    meanings = []
    if any(name == ref.name for ref in refs):
        meanings.append(_by_its_own_name(registry.load("backbone", name)))
    for plugin in _offering(registry, name):
        if plugin.ref not in [other.ref for other, _ in meanings]:
            meanings.append((plugin, name))
    if len(meanings) > 1:
        choices = " or ".join(f"'{plugin.ref.name}/{meant}'" for plugin, meant in meanings)
        raise AmbiguousPlugin(f"backbone {name!r} is offered more than once: choose {choices}")
    return meanings[0] if meanings else _unknown(registry, name)


def _by_its_own_name(plugin: Plugin) -> tuple[Plugin, str]:
    offered = architecture_names(plugin)
    return plugin, (plugin.ref.name if plugin.ref.name in offered else offered[0])


def _in_plugin(plugin: Plugin, architecture: str) -> Plugin:
    offered = architecture_names(plugin)
    if architecture not in offered:
        hint = _explanation([plugin], architecture) or did_you_mean(architecture, offered)
        raise UnknownPlugin(
            f"backbone plugin {plugin.ref.name!r} has no architecture {architecture!r}{hint}"
        )
    return plugin


def _offering(registry: Registry, name: str) -> list[Plugin]:
    """The plugins that offer an architecture of that name; the preferred one alone if it does."""
    found = []
    for plugin, offered in listed(registry, []):
        if any(name == architecture.name for architecture in offered):
            found.append(plugin)
            if plugin.ref.name == PREFERRED_BACKBONES:
                break
    return found


def _unknown(registry: Registry, name: str) -> NoReturn:
    failures: list[PluginError] = []
    looked_in = list(listed(registry, failures))
    known = [ref.name for ref in registry.refs("backbone")]
    hint = _explanation([plugin for plugin, _ in looked_in], name) or did_you_mean(
        name, known + [architecture.name for _, offered in looked_in for architecture in offered]
    )
    places = ", ".join(known) or "none"
    raise UnknownPlugin(
        f"unknown backbone {name!r}{hint} (looked in plugins: {places})"
        + "".join(f"; {failure}" for failure in failures)
    )


def _explanation(plugins: list[Plugin], architecture: str) -> str:
    """``: why it is not offered``, of the first plugin that knows, or nothing."""
    for plugin in plugins:
        if text := plugin.call("explain_architecture", name=architecture):
            return f": {text}"
    return ""
