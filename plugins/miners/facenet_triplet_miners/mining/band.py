"""Triplets of a hardness that can be chosen, from semi-hard to hardest."""

from __future__ import annotations

import torch

from facenet.types import Triplets
from facenet_triplet_miners.mining.label_groups import LabelGroups
from facenet_triplet_miners.mining.parting import APART, part
from facenet_triplet_miners.mining.row_search import count_below
from facenet_triplet_miners.mining.slots import slots_for


def mine_band(
    labels: torch.Tensor, similarity: torch.Tensor, *, hardness: float, most: int
) -> Triplets:
    """Triplets from semi-hard (`hardness` 0) to hardest (1); at most `most`.

    At 0, each pair of anchor and positive gets the hardest negative that is farther than the
    positive; where none is, the farthest. At 1, each anchor's hardest positive gets its hardest
    negative. Between, an anchor keeps the hardest share of its positives, 1 - `hardness`, and the
    negative moves up by the share `hardness` of those that are harder than the semi-hard one.
    """
    size = len(labels)
    groups = LabelGroups.of(labels)
    ranked, image = part(similarity, groups).sort(dim=1)
    pairs = groups.positives * groups.usable
    anchor, number, valid = slots_for(pairs, bound=size * (size - 1), most=most)
    number = number.clamp(min=0, max=size - 1)
    positive = image[anchor, number]
    farther = count_below(ranked, anchor, similarity[anchor, positive] + APART)
    # Positives and the anchor itself come first in a row; its negatives follow.
    semi_hard = (farther - 1).clamp(max=size - 1).maximum(groups.size[anchor])
    semi_hard = semi_hard.clamp(max=size - 1)
    climbed = ((size - 1 - semi_hard) * hardness).round().long()
    negative = image[anchor, semi_hard + climbed]
    kept = number <= (pairs[anchor] - 1) * (1 - hardness)
    return Triplets(anchor, positive, negative, valid & kept)
