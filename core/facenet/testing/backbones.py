"""What every backbone must do, as tests: subclass `BackboneSuite` and override `backbone`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from facenet.architectures import resolve_backbone
from facenet.plugins import Registry
from facenet.testing.suite import Suite, to_override
from facenet.types import Backbone

DEFAULT_SIZE = 112
GIANT = 500_000_000
"""Parameters beyond which gradients of all of them would not fit into a laptop's memory."""


class BackboneSuite(Suite):
    """Override `backbone`, and `image_size` where its network does not take 112 pixels."""

    @pytest.fixture
    def image_size(self) -> int:
        """The side in pixels of the images that the backbone was built for."""
        return DEFAULT_SIZE

    @pytest.fixture
    def backbone(self, request: pytest.FixtureRequest) -> Backbone:
        """The built backbone; one for all tests will do."""
        to_override(request, "a backbone, as from build_backbone('my-backbone', image_size)")

    def test_it_says_how_to_use_it(self, backbone: Backbone) -> None:
        """If this fails: `make_backbone` gives no `Backbone`, or one with numbers that no network
        can have."""
        from facenet.spdx import checked_licence

        assert isinstance(backbone, Backbone)
        assert isinstance(backbone.feature_dim, int)
        assert backbone.feature_dim > 0
        assert backbone.input_size > 0
        assert len(backbone.mean) == len(backbone.std) == 3
        assert min(backbone.std) > 0
        assert max(*backbone.mean, *backbone.std) <= 1, "mean and std are of pixels in 0..1"
        if backbone.licence is not None:
            assert checked_licence(backbone.licence) == backbone.licence

    def test_it_can_be_trained(self, backbone: Backbone, image_size: int) -> None:
        """If this fails: in train mode the module gives something other than one (N, feature_dim)
        tensor, such as auxiliary outputs, or its gradients are not finite."""
        check_training(backbone, image_size)

    def test_it_embeds_as_its_trace_does(self, backbone: Backbone, image_size: int) -> None:
        """If this fails: in eval mode the features have another shape, are not finite, or differ
        in TorchScript, where models are exported to."""
        check_embedding(backbone, image_size)

    def test_it_can_be_exported(self, backbone: Backbone, image_size: int) -> None:
        """If this fails: the forward pass depends on values, so that `torch.export`, the way to
        ONNX, cannot follow it."""
        check_export(backbone, image_size)


def build_backbone(
    name: str, image_size: int, *, pretrained: bool = False, **options: Any
) -> Backbone:
    """Build a backbone by a name as in YAML."""
    plugin, architecture = resolve_backbone(Registry(), name)
    backbone: Backbone = plugin.make_from(
        options, architecture=architecture, pretrained=pretrained, image_size=image_size
    )
    return backbone


def check_training(backbone: Backbone, image_size: int) -> None:
    """Features and finite gradients in train mode."""
    import torch

    pixels = torch.randn(2, 3, image_size, image_size, requires_grad=True)
    features = backbone.module.train()(pixels)
    _check_features(features, backbone)
    _check_gradients(features, pixels, backbone)


def check_embedding(backbone: Backbone, image_size: int) -> None:
    """Features in eval mode, and a trace that gives the same."""
    import torch

    pixels = torch.randn(2, 3, image_size, image_size)
    with _frozen(backbone), torch.inference_mode():
        features = backbone.module(pixels)
        _check_features(features, backbone)
        _check_trace(features, pixels, backbone)


def check_export(backbone: Backbone, image_size: int) -> None:
    """`torch.export` takes the network in eval mode; weights on the `meta` device will do."""
    import torch

    device = next(backbone.module.parameters()).device
    pixels = torch.zeros(2, 3, image_size, image_size, device=device)
    with _frozen(backbone):
        program = torch.export.export(backbone.module, (pixels,))
    [output] = program.graph_signature.user_outputs
    [node] = [node for node in program.graph.nodes if node.name == output]
    assert tuple(node.meta["val"].shape) == (2, backbone.feature_dim)


@contextmanager
def _frozen(backbone: Backbone) -> Iterator[None]:
    """In eval mode and without gradients; afterwards what is trained is trained again."""
    trained = [weights for weights in backbone.module.parameters() if weights.requires_grad]
    backbone.module.eval().requires_grad_(False)
    try:
        yield
    finally:
        for weights in trained:
            weights.requires_grad_(True)


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
