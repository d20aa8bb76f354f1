"""The whole plugin contract.

A plugin is a module or object that implements `facenet_info` and the one `make_*` hook of its
kind, marked with `hookimpl`, and is named by an entry point in the group of its kind:
``facenet.backbones``, ``.miners``, ``.detectors``, ``.stores`` or ``.frontends``. The entry point's
name is the name written in YAML. An implementation may take fewer arguments than stand here.
`options` is an instance of the model that `facenet_info` names, or of one without fields.

An extension is named in ``facenet.extensions``; it implements any of the observer hooks, or
wraps a `make_*` hook with ``hookimpl(wrapper=True)``. All hooks exist since contract version 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    from facenet.recognition import FaceMatches, Recognizer
    from facenet.stores import Receipt, Store, StoreManager
    from facenet.types import Architecture, Backbone, Detector, Frontend, Miner, PluginInfo

PROJECT = "facenet"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def facenet_info() -> PluginInfo:
    """Say what the plugin is. Called first; must not import anything heavy."""


@hookspec(firstresult=True)
def list_architectures() -> Sequence[str | Architecture]:
    """Backbones only: what `make_backbone` accepts, by name or record, without building any."""


@hookspec(firstresult=True)
def explain_architecture(name: str) -> str | None:
    """Backbones only, optional: why a name is not offered and what to take, in one sentence."""


@hookspec(firstresult=True)
def make_backbone(options: Any, architecture: str, pretrained: bool, image_size: int) -> Backbone:
    """Build one network for square images of `image_size` pixels.

    `architecture` is one that `list_architectures` names; with `pretrained` it has the weights that
    are published for it, and says under which licence."""


@hookspec(firstresult=True)
def make_miner(options: Any, progress: Callable[[], float]) -> Miner:
    """Build a triplet miner. Called once for each training run.

    `progress()` says at any time what share of the run is done, in 0..1."""


@hookspec(firstresult=True)
def make_detector(options: Any, device: str) -> Detector:
    """Build a face detector on `device` ('cpu', 'cuda' or 'mps'). Called once for each recognizer;
    one thread at a time calls what it gives."""


@hookspec(firstresult=True)
def make_store(options: Any, embedding_dim: int, space: str) -> Store:
    """Open the gallery for embeddings of one space; create it when it does not exist.

    `space` is the id of model and preprocessing. Raise `StoreError` where the gallery is bound to
    another one, or to another `embedding_dim`."""


@hookspec(firstresult=True)
def manage_store(options: Any) -> StoreManager:
    """Stores only, optional: what `facenet store` looks at, stops, dumps and restores; opening
    nothing yet."""


@hookspec(firstresult=True)
def make_frontend(options: Any, recognizer: Recognizer) -> Frontend:
    """Build a frontend; its `run()` is called next. Its options are its command-line flags."""


@hookspec(firstresult=True)
def frontend_commands() -> Sequence[click.Command]:
    """Frontends only, optional: further commands below its own, as `facenet serve keys`. They get
    the frontend's options as click's context object; `--config` and `--set` are the frontend's,
    also behind them."""


@hookspec
def after_enrol(identity: str, added: int) -> None:
    """`added` samples of `identity` have been committed to the store."""


@hookspec
def after_search(results: Sequence[FaceMatches]) -> None:
    """A photo has been searched; one entry for each face in it."""


@hookspec
def after_forget(receipt: Receipt) -> None:
    """An identity has been erased from the store."""


@hookspec
def service_started(name: str, address: str) -> None:
    """The frontend `name` accepts requests at `address`."""
