"""Miner plugin `pml`: any miner of pytorch-metric-learning, by the name of its class."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from facenet.errors import ConfigError
from facenet.hookspecs import hookimpl
from facenet.text import did_you_mean
from facenet.types import Miner, PluginInfo


class Options(BaseModel):
    """`miner` and the arguments of that class."""

    model_config = ConfigDict(extra="allow", frozen=True)

    miner: str = Field(description="A class of pytorch_metric_learning.miners; its arguments too.")


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="Any miner of pytorch-metric-learning, with the arguments of its class",
        licence="MIT",
        options=Options,
        install="pip install 'facenet-kit[pml]'",
        requires={"pytorch-metric-learning": "MIT"},
    )


@hookimpl
def make_miner(options: Options) -> Miner:
    from facenet_triplet_miners.mining.pml import mine_with, miner_classes

    classes = miner_classes()
    if options.miner not in classes:
        near = did_you_mean(options.miner, classes) or f"; there are: {', '.join(classes)}"
        raise ConfigError(f"miner.miner: pytorch-metric-learning has no {options.miner!r}{near}")
    return mine_with(_made(classes[options.miner], options.model_extra or {}))


def _made(kind: Any, arguments: dict[str, Any]) -> Any:
    try:
        return kind(**arguments)
    except (TypeError, ValueError, AssertionError) as error:
        written = ", ".join(f"{key}: {value!r}" for key, value in arguments.items())
        raise ConfigError(
            f"miner: {kind.__name__} does not take {{{written}}}: {error}; see its documentation"
        ) from error
