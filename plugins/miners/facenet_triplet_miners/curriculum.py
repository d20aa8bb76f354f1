"""Miner plugin `curriculum`: from semi-hard to hardest triplets as the run proceeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from pydantic import Field, model_validator

from facenet.hookspecs import hookimpl
from facenet.types import Miner, PluginInfo
from facenet.validation import wrong_key
from facenet_triplet_miners.options import MinerOptions


class Options(MinerOptions):
    start: float = Field(0.0, ge=0, le=1, description="Share of the run that is semi-hard.")
    end: float = Field(
        0.5, ge=0, le=1, description="Share of the run from which on triplets are the hardest."
    )

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.end < self.start:
            raise wrong_key((("end",), f"is {self.end}: must be at least start ({self.start})"))
        return self

    def hardness(self, progress: float) -> float:
        """0 up to `start`, 1 from `end` on, in proportion between."""
        if progress >= self.end:
            return 1.0
        if progress <= self.start:
            return 0.0
        return (progress - self.start) / (self.end - self.start)


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="From semi-hard to the hardest triplets as the run proceeds",
        licence="MIT",
        options=Options,
        install="pip install 'facenet-kit[train]'",
    )


@hookimpl
def make_miner(options: Options, progress: Callable[[], float]) -> Miner:
    from facenet_triplet_miners.mining.band import mine_band

    return lambda embeddings, labels, similarity: mine_band(
        labels, similarity, hardness=options.hardness(progress()), most=options.max_triplets
    )
