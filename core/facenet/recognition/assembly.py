"""The parts of a recognizer, as a configuration names them."""

from __future__ import annotations

from collections.abc import Callable

from facenet.architectures import resolve_backbone
from facenet.config import InferenceConfig
from facenet.licensing import (
    check_licences,
    detector_chains,
    extension_chains,
    model_chain,
    plugin_chains,
)
from facenet.models import EmbeddingModel, NetworkSpec, load_model, resized, resolve_device
from facenet.plugins import Plugin, Registry
from facenet.stores import Store
from facenet.types import Detector


def assemble(
    config: InferenceConfig, registry: Registry
) -> tuple[EmbeddingModel, Detector, Callable[[], Store]]:
    """The model, the detector, and what opens the gallery.

    Raises `ModelError`, `DeviceError` or `PluginError`, and `ConfigError` for a licence that
    `licences.allow` does not name.
    """
    device = resolve_device(config.device)
    model = load_model(config.checkpoint_path, device)
    if config.image_size not in (None, model.card.preprocessing.image_size):
        model = resized(model, config.image_size)
    finder = registry.load("detector", config.detector.plugin)
    keeper = registry.load("store", config.store.plugin)
    _check_licences(config, registry, model, finder, keeper)
    detector = made_detector(finder, config, device.type)

    def open_store() -> Store:
        store: Store = keeper.make_from(
            config.store.options,
            config_dir=config.config_dir,
            embedding_dim=model.embedding_dim,
            space=model.card.space,
        )
        return store

    return model, detector, open_store


def made_detector(plugin: Plugin, config: InferenceConfig, device: str) -> Detector:
    """A configuration's detector; raises as `assemble`, also for the licence of its weights."""
    detector: Detector = plugin.make_from(
        config.detector.options, config_dir=config.config_dir, device=device
    )
    check_licences(config.licences.allow, detector_chains(plugin, detector))
    return detector


def _check_licences(
    config: InferenceConfig, registry: Registry, model: EmbeddingModel, *plugins: Plugin
) -> None:
    """Before a detector is made: to import a library is to run it."""
    if config.licences.allow is None:
        return
    network = model.card.network
    if isinstance(network, NetworkSpec):
        plugins = (*plugins, resolve_backbone(registry, network.backbone)[0])
    chains = [chain for plugin in plugins for chain in plugin_chains(plugin)]
    chains += [model_chain(config.checkpoint_path, model.card.licence), *extension_chains()]
    check_licences(config.licences.allow, chains)
