"""The torchvision backbone: one network of each family, and in the slow run all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision import models

from facenet.architectures import architectures
from facenet.errors import ConfigError, ModelError
from facenet.models import NetworkSpec, build_network
from facenet.plugins import Registry
from facenet.testing import build_backbone
from facenet_torchvision.weights import SWAG_NAMES

from .built_backbones import NamedBackboneSuite, check_backbone, of_the_day

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
OFFERED = {a.name: a for a in architectures(Registry().load("backbone", "torchvision"))}
SMALL = [name for name, known in OFFERED.items() if (known.parameters or 0) < 30_000_000]


def weights_file(tmp_path: Path, network: str, **arguments: object) -> Path:
    """A file like the published one: classifier, auxiliary outputs and old names included."""
    path = tmp_path / f"{network}.pth"
    torch.save(models.get_model(network, **arguments).state_dict(), path)
    return path


@pytest.mark.parametrize(("architecture", "image_size"), FAMILIES.items())
def test_every_family_gives_features_in_both_modes(architecture: str, image_size: int) -> None:
    check_backbone(build_backbone(architecture, image_size), image_size)


@pytest.mark.parametrize("built", of_the_day(SMALL, 2), indirect=True)
class TestOfTheDay(NamedBackboneSuite):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("built", OFFERED, indirect=True)
class TestEveryArchitecture(NamedBackboneSuite):
    pass


def test_all_classification_networks_are_offered() -> None:
    assert len(OFFERED) == 80 + len(SWAG_NAMES)
    assert {*FAMILIES, *SWAG_NAMES} <= set(OFFERED)


def test_what_is_known_of_a_network_is_told_without_building_it() -> None:
    known = OFFERED["vit_l_16_swag_e2e"]
    assert (known.parameters, known.input_size) == (305_174_504, 512)
    assert known.licence == "CC-BY-NC-4.0"
    assert OFFERED["resnet18"].licence == "BSD-3-Clause"


@pytest.mark.parametrize(
    ("architecture", "image_size"), [("alexnet", 32), ("vit_b_16", 40), ("maxvit_t", 112)]
)
def test_an_impossible_size_is_an_error_that_names_the_right_one(architecture, image_size) -> None:
    with pytest.raises(
        ConfigError, match=rf"{architecture} cannot work at image_size {image_size} .*own is 224"
    ):
        build_backbone(architecture, image_size)


def test_a_swag_name_without_its_weights_is_the_plain_network() -> None:
    backbone = build_backbone("vit_b_16_swag_e2e", 64)
    assert backbone.module.image_size == 64
    assert backbone.input_size == 384
    assert backbone.licence is None


@pytest.mark.parametrize("network", ["resnet18", "densenet121", "googlenet", "squeezenet1_1"])
def test_weights_come_from_a_local_file(tmp_path: Path, network: str) -> None:
    torch.manual_seed(0)
    quick = {"init_weights": False} if network == "googlenet" else {}
    file = weights_file(tmp_path, network, **quick)
    stored = torch.load(file, weights_only=True)
    backbone = build_backbone(network, 64, pretrained=True, weights_file=file)
    own = backbone.module.state_dict()
    assert all(torch.equal(own[name], stored[name]) for name in own)
    assert backbone.licence == "BSD-3-Clause"


def test_densenets_published_names_are_understood(tmp_path: Path) -> None:
    file = weights_file(tmp_path, "densenet121")
    published = {
        name.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): tensor
        for name, tensor in torch.load(file, weights_only=True).items()
    }
    assert any(".denselayer1.norm.1." in name for name in published)
    torch.save(published, file)
    assert build_backbone("densenet121", 32, pretrained=True, weights_file=file).feature_dim == 1024


def test_positions_of_a_vit_are_interpolated_to_the_image_size(tmp_path: Path) -> None:
    file = weights_file(tmp_path, "vit_b_16", image_size=96)
    state = torch.load(file, weights_only=True)
    state["encoder.pos_embedding"] = torch.full((1, 37, 768), 0.25)
    torch.save(state, file)
    backbone = build_backbone("vit_b_16_swag_linear", 64, pretrained=True, weights_file=file)
    positions = backbone.module.encoder.pos_embedding
    torch.testing.assert_close(positions, torch.full((1, 17, 768), 0.25))
    assert backbone.licence == "CC-BY-NC-4.0"


def test_normalisation_is_that_of_the_weights() -> None:
    assert build_backbone("resnet18", 32).mean == (0.485, 0.456, 0.406)
    assert build_backbone("googlenet", 32).mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("network", "stored", "reason"),
    [
        ("resnet34", "resnet18", "layer1.2.conv1.weight is missing"),
        ("resnet18", "resnet34", "layer1.2.conv1.weight is not in the network"),
        ("resnet50", "resnet18", "size mismatch for "),
    ],
)
def test_weights_of_another_network_are_refused(
    tmp_path: Path, network: str, stored: str, reason: str
) -> None:
    file = weights_file(tmp_path, stored)
    with pytest.raises(
        ModelError, match=rf"{file} for {network}: the weights do not fit: {reason}"
    ):
        build_backbone(network, 32, pretrained=True, weights_file=file)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("gone.pth", None, "no such file"),
        ("text.pth", b"not weights", "neither .safetensors nor a state dict"),
        ("text.safetensors", b"not weights", "neither .safetensors nor a state dict"),
    ],
)
def test_a_weights_file_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelError, match=rf"weights_file {file}: {reason}"):
        build_backbone("resnet18", 32, pretrained=True, weights_file=file)


def test_a_weights_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "module.pth"
    torch.save(torch.nn.Linear(2, 2), file)
    with pytest.raises(ModelError, match="that can be read safely"):
        build_backbone("resnet18", 32, pretrained=True, weights_file=file)


@pytest.mark.parametrize(
    ("architecture", "wanted", "right"),
    [
        ("resnet50", "IMAGENET1K_V3", "IMAGENET1K_V1, IMAGENET1K_V2"),
        ("vgg16", "IMAGENET1K_FEATURES", "IMAGENET1K_V1"),
        ("vit_b_16_swag_e2e", "IMAGENET1K_V1", "IMAGENET1K_SWAG_E2E_V1"),
    ],
)
def test_unknown_weights_are_an_error_that_lists_the_right_ones(
    architecture: str, wanted: str, right: str
) -> None:
    with pytest.raises(ConfigError, match=rf"no weights '{wanted}'.* \(it has {right}\)"):
        build_backbone(architecture, 224, pretrained=True, weights=wanted)


@pytest.mark.parametrize("option", [{"weights": "IMAGENET1K_V1"}, {"weights_file": "x.pth"}])
def test_weights_that_would_not_be_used_are_an_error(option: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"no meaning with model\.pretrained: false"):
        build_backbone("resnet18", 32, **option)


def test_pretrained_weights_that_cannot_be_fetched_say_where_to_put_them(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    with pytest.raises(
        ModelError, match=r"put resnet18-\w+\.pth into .*checkpoints, or .*weights_file.*false"
    ):
        build_backbone("resnet18", 32, pretrained=True)


def test_weights_in_torchs_cache_need_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    stored = models.get_model("squeezenet1_1").state_dict()
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save(stored, cache / Path(models.SqueezeNet1_1_Weights.DEFAULT.url).name)
    own = build_backbone("squeezenet1_1", 32, pretrained=True).module.state_dict()
    assert all(torch.equal(own[name], stored[name]) for name in own)


def test_a_model_does_not_remember_where_its_first_weights_were(tmp_path: Path) -> None:
    file = weights_file(tmp_path, "squeezenet1_1")
    given = NetworkSpec(
        backbone="squeezenet1_1", options={"weights_file": str(file)}, embedding_dim=8
    )
    _, _, kept = build_network(given, image_size=32, pretrained=True)
    assert kept.options == {}
    file.unlink()
    build_network(kept, image_size=32)


def test_a_chosen_weight_is_the_one_that_is_fetched(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    with pytest.raises(ModelError, match=r"put vit_b_16_swag-\w+\.pth into"):
        build_backbone("vit_b_16", 64, pretrained=True, weights="IMAGENET1K_SWAG_E2E_V1")
