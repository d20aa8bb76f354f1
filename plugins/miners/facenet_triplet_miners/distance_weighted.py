"""Miner plugin `distance_weighted`: negatives drawn evenly over their distances."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from facenet.hookspecs import hookimpl
from facenet.types import Miner, PluginInfo
from facenet.validation import wrong_key
from facenet_triplet_miners.options import MinerOptions


class Options(MinerOptions):
    cutoff: float = Field(
        0.5, gt=0, lt=2, description="Euclidean distance below which nearness adds no weight."
    )
    nonzero_loss_cutoff: float = Field(
        1.4, gt=0, le=2, description="Euclidean distance from which on a negative is not drawn."
    )

    @model_validator(mode="after")
    def _some_distance_is_left(self) -> Self:
        if self.nonzero_loss_cutoff <= self.cutoff:
            text = f"is {self.nonzero_loss_cutoff}: must be above cutoff ({self.cutoff})"
            raise wrong_key((("nonzero_loss_cutoff",), text))
        return self


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="Negatives drawn evenly over their distances, for each pair (Wu et al. 2017)",
        licence="MIT",
        options=Options,
        install="pip install 'facenet-kit[train]'",
    )


@hookimpl
def make_miner(options: Options) -> Miner:
    from facenet_triplet_miners.mining.distance_weighted import mine_distance_weighted

    return lambda embeddings, labels, similarity: mine_distance_weighted(
        labels,
        similarity,
        dimension=embeddings.shape[1],
        cutoff=options.cutoff,
        nonzero_loss_cutoff=options.nonzero_loss_cutoff,
        most=options.max_triplets,
    )
