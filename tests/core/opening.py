"""Recognizers past the command line: over a gallery of it, over memory, over a store of its own."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from facenet import Recognizer, load_config
from facenet.config import InferenceConfig, parse_config
from facenet.plugins import Registry

Gallery = tuple[object, ...]
"""The options of a command that name one."""


def opened(gallery: Gallery, bundle: Path | None = None) -> Recognizer:
    """Its recognizer, over its own model or that of a bundle."""
    overrides = [str(value) for flag, value in pairwise(gallery) if flag == "--set"]
    if bundle is not None:
        overrides.append(f"checkpoint_path={bundle}")
    return Recognizer.from_config(load_config(Path(str(gallery[1])), overrides=tuple(overrides)))


def recognizer_of(trained: Path, **values: object) -> Recognizer:
    """Over memory. Quality is off: the small model of the tests finds drawn people unlike
    themselves."""
    config = {"checkpoint_path": str(trained / "bundle"), "device": "cpu", "store": "memory"}
    config["quality"] = "off"
    return Recognizer.from_config(parse_config({**config, **values}, InferenceConfig))


class EarlierStore:
    """A store from before stores kept crops and searched with filters, on top of `memory`."""

    def __init__(self) -> None:
        plugin = Registry().load("store", "memory")
        self._store = plugin.make_from({}, embedding_dim=16, space="s")
        self.closed = False

    def enrol(
        self, identity, embeddings, *, keys=None, metadata=None, weights=None, template=None
    ) -> int:
        how = {"keys": keys, "metadata": metadata, "weights": weights, "template": template}
        return self._store.enrol(identity, embeddings, **how)

    def get(self, identity: str) -> Any:
        return self._store.get(identity)

    def search(self, probes: Any, *, top_k: int = 5, min_similarity: float = -1.0) -> Any:
        return self._store.search(probes, top_k=top_k, min_similarity=min_similarity)

    def close(self) -> None:
        self.closed = True


class EarlierWrapper(EarlierStore):
    """One that hands on what it does not know, as a wrapper of `make_store` may."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def over(store: Any, made: Recognizer) -> Recognizer:
    """Like one that was made, with another store."""
    detector = made.registry.load("detector", "whole_image").make_from({}, device="cpu")
    return Recognizer(
        made.model, detector, lambda: store, config=made.config, registry=made.registry
    )
