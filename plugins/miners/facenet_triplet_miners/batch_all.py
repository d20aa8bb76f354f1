"""Miner plugin `batch_all`: every triplet of the batch."""

from __future__ import annotations

from pydantic import Field, PositiveFloat

from facenet.hookspecs import hookimpl
from facenet.types import Miner, PluginInfo
from facenet_triplet_miners.options import MinerOptions


class Options(MinerOptions):
    margin: PositiveFloat | None = Field(
        None,
        description="Leave out triplets that keep this margin of cosine distance, so that the "
        "loss is the mean over active ones; usually model.margin. null: keep all.",
    )


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="Every triplet of the batch (Hermans et al. 2017)",
        licence="MIT",
        options=Options,
        install="pip install 'facenet-kit[train]'",
    )


@hookimpl
def make_miner(options: Options) -> Miner:
    from facenet_triplet_miners.mining.batch_all import mine_every

    return lambda embeddings, labels, similarity: mine_every(
        labels, similarity, most=options.max_triplets, margin=options.margin
    )
