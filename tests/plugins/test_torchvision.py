"""The torchvision backbone: one network of each family, and in the slow run all of them."""

from __future__ import annotations

import pytest
import torch

from facenet.errors import ConfigError, ModelError
from facenet.architectures import architecture_names
from facenet.plugins import Registry
from facenet.types import Backbone

# The smallest of each family, whose heads and auxiliary outputs differ, with a size it can take.
FAMILIES = {
    "alexnet": 64,
    "convnext_tiny": 32,
    "densenet121": 32,
    "efficientnet_b0": 32,
    "googlenet": 32,
    "inception_v3": 75,
    "maxvit_t": 224,
    "mnasnet0_5": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_small": 32,
    "regnet_x_400mf": 32,
    "resnet18": 32,
    "resnext50_32x4d": 32,
    "shufflenet_v2_x0_5": 32,
    "squeezenet1_1": 32,
    "swin_t": 32,
    "swin_v2_t": 64,
    "vgg11": 32,
    "vit_b_32": 64,
    "wide_resnet50_2": 32,
}
ALL = architecture_names(Registry().load("backbone", "torchvision"))


def build(architecture: str, image_size: int, pretrained: bool = False) -> Backbone:
    plugin, found = Registry().resolve_backbone(architecture)
    made: Backbone = plugin.make_from(
        {}, architecture=found, pretrained=pretrained, image_size=image_size
    )
    return made


def check(architecture: str, image_size: int) -> None:
    backbone = build(architecture, image_size)
    pixels = torch.randn(2, 3, image_size, image_size)
    for mode in (True, False):
        features = backbone.module.train(mode)(pixels)
        assert isinstance(features, torch.Tensor)
        assert features.shape == (2, backbone.feature_dim)
    features.sum().backward()
    gradients = [p.grad for p in backbone.module.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize(("architecture", "image_size"), FAMILIES.items())
def test_every_family_gives_features_in_both_modes(architecture: str, image_size: int) -> None:
    check(architecture, image_size)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ALL)
def test_every_architecture_gives_features_in_both_modes(architecture: str) -> None:
    # vit_h_14 wants a multiple of 14, maxvit_t of 224.
    check(architecture, 224 if architecture in ("maxvit_t", "vit_h_14") else 96)


def test_all_classification_networks_are_offered() -> None:
    assert len(ALL) == 80
    assert set(FAMILIES) <= set(ALL)


@pytest.mark.parametrize(
    ("architecture", "image_size"), [("alexnet", 32), ("vit_b_16", 40), ("maxvit_t", 112)]
)
def test_an_impossible_size_is_an_error_that_names_the_right_one(architecture, image_size) -> None:
    with pytest.raises(
        ConfigError, match=rf"{architecture} cannot work at image_size {image_size} .*own is 224"
    ):
        build(architecture, image_size)


def test_pretrained_weights_that_cannot_be_fetched_say_where_to_put_them(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    with pytest.raises(ModelError, match=r"put resnet18-\w+\.pth into .*checkpoints, or set"):
        build("resnet18", 32, pretrained=True)
