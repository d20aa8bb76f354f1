"""Miner plugin `batch_hard`: each anchor's hardest positive and hardest negative."""

from __future__ import annotations

from facenet.hookspecs import hookimpl
from facenet.types import Miner, PluginInfo


@hookimpl
def facenet_info() -> PluginInfo:
    return PluginInfo(
        summary="Hardest positive and negative of each anchor in the batch (Hermans et al. 2017)",
        licence="MIT",
        install="pip install 'facenet-kit[train]'",
    )


@hookimpl
def make_miner() -> Miner:
    from facenet_triplet_miners.mining.batch_hard import mine_batch_hard

    return mine_batch_hard
