"""Refusing what `licences.allow` does not name, before a run begins."""

from __future__ import annotations

from collections.abc import Iterator

from facenet.architectures import architectures, resolve_backbone
from facenet.config import TrainConfig
from facenet.licensing import (
    Chain,
    check_licences,
    extension_chains,
    plugin_chains,
    weights_chain,
)
from facenet.plugins import Registry


def check_run(config: TrainConfig) -> None:
    """Refuse plugins, extensions and pretrained weights, these as far as the plugin lists them.

    Nothing is built or fetched. Raises `ConfigError`.
    """
    check_licences(config.licences.allow, _chains(config))


def check_pretrained(config: TrainConfig, backbone: str, licence: str | None) -> None:
    """Refuse the pretrained weights that were loaded: an option can choose other ones.

    `backbone` is `plugin/architecture`. Raises `ConfigError`.
    """
    if config.model.pretrained:
        check_licences(config.licences.allow, [weights_chain(f"backbone {backbone}", licence)])


def _chains(config: TrainConfig) -> Iterator[Chain]:
    registry = Registry()
    plugin, architecture = resolve_backbone(registry, config.model.backbone.name)
    yield from plugin_chains(plugin)
    if config.model.pretrained and not config.model.backbone.options:
        listed = {each.name: each.licence for each in architectures(plugin)}
        if licence := listed[architecture]:
            yield weights_chain(f"backbone {plugin.ref.name}/{architecture}", licence)
    yield from plugin_chains(registry.load("miner", config.miner.plugin))
    yield from extension_chains()
