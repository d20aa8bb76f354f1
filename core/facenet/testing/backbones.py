"""What every backbone must do, as checks on a built one."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterable
from datetime import date
from typing import Any

from facenet.plugins import Registry
from facenet.types import Backbone

GIANT = 500_000_000
"""Parameters beyond which gradients of all of them would not fit into a laptop's memory."""


def build_backbone(
    name: str, image_size: int, *, pretrained: bool = False, **options: Any
) -> Backbone:
    """Build a backbone by a name as in YAML."""
    plugin, architecture = Registry().resolve_backbone(name)
    backbone: Backbone = plugin.make_from(
        options, architecture=architecture, pretrained=pretrained, image_size=image_size
    )
    return backbone


def check_backbone(backbone: Backbone, image_size: int) -> None:
    """Features of one shape in both modes, finite gradients, and a trace that gives the same."""
    import torch

    pixels = torch.randn(2, 3, image_size, image_size, requires_grad=True)
    features = backbone.module.train()(pixels)
    _check_features(features, backbone)
    _check_gradients(features, pixels, backbone)
    module = backbone.module.eval().requires_grad_(False)
    with torch.inference_mode():
        features = module(pixels)
        _check_features(features, backbone)
        _check_trace(features, pixels, backbone)


def check_export(backbone: Backbone, image_size: int) -> None:
    """`torch.export` takes the network in eval mode; weights on the `meta` device will do."""
    import torch

    module = backbone.module.eval().requires_grad_(False)
    device = next(module.parameters()).device
    pixels = torch.zeros(2, 3, image_size, image_size, device=device)
    program = torch.export.export(module, (pixels,))
    [output] = program.graph_signature.user_outputs
    [node] = [node for node in program.graph.nodes if node.name == output]
    assert tuple(node.meta["val"].shape) == (2, backbone.feature_dim)


def of_the_day(names: Iterable[str], how_many: int) -> list[str]:
    """A sample that is the same all day, and over the days reaches every name."""
    shuffled = sorted(names)
    random.Random(0).shuffle(shuffled)
    start = date.today().toordinal() * how_many
    return [shuffled[(start + offset) % len(shuffled)] for offset in range(how_many)]


def _check_features(features: Any, backbone: Backbone) -> None:
    import torch

    assert isinstance(features, torch.Tensor)
    assert features.shape == (2, backbone.feature_dim)
    assert features.isfinite().all()


def _check_gradients(features: Any, pixels: Any, backbone: Backbone) -> None:
    import torch

    parameters = [p for p in backbone.module.parameters() if p.requires_grad]
    few = sum(p.numel() for p in parameters) < GIANT
    # The gradient of the pixels has passed through every layer too.
    wanted = [*parameters, pixels] if few else [pixels]
    gradients = torch.autograd.grad(features.square().sum(), wanted, allow_unused=True)
    assert gradients[-1] is not None
    assert all(gradient.isfinite().all() for gradient in gradients if gradient is not None)


def _check_trace(features: Any, pixels: Any, backbone: Backbone) -> None:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(backbone.module, pixels, check_trace=False)  # type: ignore[no-untyped-call]
        torch.testing.assert_close(traced(pixels), features, rtol=1e-3, atol=1e-4)
