"""Miner plugin `batch_semi_hard`: the hardest negative that is farther than the positive."""

from __future__ import annotations

from facenet.hookspecs import hookimpl
from facenet.types import Miner, PluginInfo
from facenet_triplet_miners.options import MinerOptions


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="Hardest negative farther than the positive, for each pair (Schroff et al. 2015)",
        licence="MIT",
        options=MinerOptions,
        install="pip install 'facenet-kit[train]'",
    )


@hookimpl
def make_miner(options: MinerOptions) -> Miner:
    from facenet_triplet_miners.mining.band import mine_band

    return lambda embeddings, labels, similarity: mine_band(
        labels, similarity, hardness=0, most=options.max_triplets
    )
