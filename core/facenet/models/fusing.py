"""The same network in fewer steps."""

from __future__ import annotations

import copy

import torch
from torch import fx, nn
from torch.fx.experimental.optimization import fuse

from facenet.models.network import EmbeddingNetwork

_TOLERANCE = 1e-4


@torch.inference_mode()
def fused(network: EmbeddingNetwork, image_size: int) -> EmbeddingNetwork:
    """A copy in which each batch normalisation is folded into the convolution before it.

    For recognition only; on a CPU mobilenet_v3_small is 1.3 times as fast. A backbone that torch.fx
    cannot follow, or that comes out different, is used as it is.
    """
    try:
        backbone = fuse(network.backbone)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AttributeError):
        # What torch.fx raises for networks whose course depends on their input.
        return network
    device = next(network.parameters()).device
    # A generator of its own: to recognise must not change what a caller draws at random.
    random = torch.Generator().manual_seed(0)
    pixels = torch.rand((2, 3, image_size, image_size), generator=random).to(device)
    faster = copy.copy(network)
    faster._modules = {**network._modules, "backbone": _evaluated(backbone)}
    if (faster(pixels) - network(pixels)).abs().max() > _TOLERANCE:
        return network
    return faster


def _evaluated(module: nn.Module) -> nn.Module:
    return module.eval().requires_grad_(False).to(memory_format=torch.channels_last)
