"""Triplets, as many as a batch happens to have, in tensors of a length known beforehand."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Slots(NamedTuple):
    """Places for triplets, (T,) each: the anchor, which of its candidates (int64), and whether
    there is one (bool). Where there is none, anchor and number mean nothing."""

    anchor: torch.Tensor
    number: torch.Tensor
    valid: torch.Tensor


def slots_for(counts: torch.Tensor, *, bound: int, most: int) -> Slots:
    """All candidates of all anchors in order, or `most` of them, each equally likely to be there.

    `counts` is (B,) int64, candidates for each anchor; their sum is never above `bound`.
    """
    ends = counts.cumsum(0)
    total = counts.sum()
    # As many slots as candidates, or, where nobody may ask, as there might be.
    count = min(most, int(total) if may_ask(counts.device) else bound)
    chosen, valid = _chosen(total, count)
    anchor = torch.searchsorted(ends, chosen, right=True).clamp(max=len(counts) - 1)
    return Slots(anchor, chosen - ends[anchor] + counts[anchor], valid)


def may_ask(device: torch.device) -> bool:
    """Whether reading a value costs nothing. Any device but a CPU would have to empty its queue."""
    return device.type == "cpu"


def _chosen(total: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`count` different numbers below `total`, (count,) int64, and which of them are any good.

    Where `total` is larger, one is drawn from each of `count` strata of nearly equal size; the
    strata begin at a random number, which makes all numbers equally likely.
    """
    slot = torch.arange(count + 1, device=total.device)
    edges = slot * total // max(1, count)
    start, width = edges[:-1], edges.diff().clamp(min=1)
    drawn = start + _random(width) % width
    total = total.clamp(min=1)
    drawn = (drawn + _random(total) % total) % total
    slot = slot[:-1]
    return torch.where(total > count, drawn, slot), slot < edges[-1].clamp(max=count)


def _random(like: torch.Tensor) -> torch.Tensor:
    """Far above any total, so that a remainder is uniform; integers, which every device has."""
    return torch.randint(2**62, like.shape, device=like.device)
