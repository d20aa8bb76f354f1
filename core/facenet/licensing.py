"""What licences a configuration brings in, and refusing those that are not allowed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from facenet.errors import ConfigError, PluginError, RequestError
from facenet.plugin_loading import PluginRef, installed, load_extension, new_manager, read_info
from facenet.plugins import EXTENSIONS_GROUP, Plugin
from facenet.spdx import checked_id, checked_licence, is_allowed
from facenet.types import Detector, PluginInfo


class Chain(NamedTuple):
    """How a licence comes in: `links` lead from a chosen part down to what has the licence.

    `licence` is an SPDX expression; None: not stated, and `remedy` says how it can be.
    """

    links: tuple[str, ...]
    licence: str | None
    remedy: str | None = None


def check_licences(allow: Sequence[str] | None, chains: Iterable[Chain]) -> None:
    """Refuse licences that `licences.allow` does not name; where it is None, nothing is asked.

    Raises one `ConfigError` with a line for each chain that is refused: not allowed, not stated,
    or not an SPDX expression.
    """
    if allow is None:
        return
    allowed = {checked_id(licence) for licence in allow}
    refused = dict.fromkeys(
        f"{' -> '.join(chain.links)}{reason}"
        for chain in chains
        if (reason := _refusal(chain, allowed, f"licences.allow ({', '.join(allow)})"))
    )
    if refused:
        raise ConfigError("\n".join(refused))


def plugin_chains(plugin: Plugin) -> Iterator[Chain]:
    """What a plugin brings in: its own code, and the libraries that it requires."""
    return _chains(_part(plugin.ref), plugin.info)


def extension_chains() -> Iterator[Chain]:
    """What the active extensions bring in. An extension says it with the hook `facenet_info`.

    Raises `PluginError` when that hook fails.
    """
    for ref in installed("extension", EXTENSIONS_GROUP):
        try:
            extension = load_extension(ref)
        except PluginError:
            continue  # the registry skips it, and says so
        manager = new_manager()
        manager.register(extension)
        if manager.hook.facenet_info.get_hookimpls():
            yield from _chains(_part(ref), read_info(manager, ref))
        else:
            yield Chain((_part(ref),), None, "its author states it with the hook facenet_info")


def weights_chain(part: str, licence: str | None, remedy: str | None = None) -> Chain:
    """What the weights of a part bring in; the part is such as 'detector yolo'."""
    return Chain((part, "weights"), licence, remedy)


def detector_chains(plugin: Plugin, detector: Detector) -> Iterator[Chain]:
    """What the weights of a detector that `plugin` made bring in; nothing where it has none."""
    if not hasattr(detector, "licence"):
        return
    key = "weights_licence"
    remedy = f"state it with detector.{key}" if key in plugin.options_model.model_fields else None
    yield weights_chain(_part(plugin.ref), detector.licence, remedy)


def model_chain(path: Path, licence: str | None) -> Chain:
    """What the weights of a bundle or checkpoint bring in; `licence` is that of its card."""
    return weights_chain(
        f"model {path}",
        licence,
        f"state it with `facenet bundle create --checkpoint {path} --output ... --licence SPDX`",
    )


def _part(ref: PluginRef) -> str:
    return f"{ref.kind} {ref.name}"


def _chains(part: str, info: PluginInfo) -> Iterator[Chain]:
    yield Chain((part,), info.licence)
    for library, licence in info.requires.items():
        yield Chain((part, library), licence)


def _refusal(chain: Chain, allowed: set[str], where: str) -> str | None:
    """Why a chain is refused, and what goes before it; None: it is not."""
    if not chain.licence:
        return ": licence not stated" + (f"; {chain.remedy}" if chain.remedy else "")
    try:
        licence = checked_licence(chain.licence)
    except RequestError:
        return f" -> {chain.licence}: not an SPDX expression, which alone can be in {where}"
    return None if is_allowed(licence, allowed) else f" -> {licence}: not in {where}"
