"""The timm backbone: the names that people know, and in the slow run every one of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

timm = pytest.importorskip("timm", reason="needs facenet-kit[timm]")

import torch  # noqa: E402
from huggingface_hub import constants  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from facenet.architectures import architectures, resolve_backbone  # noqa: E402
from facenet.errors import ConfigError, ModelError, UnknownPlugin  # noqa: E402
from facenet.plugins import Registry  # noqa: E402
from facenet.testing import build_backbone  # noqa: E402
from facenet_timm.names import ALIASES  # noqa: E402

from .built_backbones import NamedBackboneSuite, check_backbone, of_the_day  # noqa: E402

CONVNEXTS = [
    f"convnextv2_{size}"
    for size in ("atto", "femto", "pico", "nano", "tiny", "base", "large", "huge")
]
PROMISED = [*CONVNEXTS, *ALIASES]
LARGE = ("base", "large", "huge", "_l_")
SMALL = [name for name in PROMISED if not any(large in name for large in LARGE)]
OFFERED = {a.name: a for a in architectures(Registry().load("backbone", "timm"))}


@pytest.mark.parametrize(
    ("architecture", "image_size"),
    [
        ("convnextv2_atto", 32),
        ("mvit_v2_s", 64),
        ("timm/mobilenetv4_conv_small", 32),
        ("timm/vit_tiny_patch16_224", 48),
        ("timm/swin_tiny_patch4_window7_224", 64),
        ("timm/levit_128", 64),
    ],
)
def test_a_network_of_each_kind_gives_features_in_both_modes(
    architecture: str, image_size: int
) -> None:
    check_backbone(build_backbone(architecture, image_size), image_size)


@pytest.mark.parametrize("built", of_the_day(SMALL, 1), indirect=True)
class TestOfTheDay(NamedBackboneSuite):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("built", PROMISED, indirect=True)
class TestEveryPromisedName(NamedBackboneSuite):
    pass


def test_every_network_of_timm_is_offered_with_and_without_its_tag() -> None:
    assert set(timm.list_models()) | set(timm.list_models(pretrained=True)) <= set(OFFERED)
    assert set(PROMISED) <= set(OFFERED)


@pytest.mark.parametrize("name", PROMISED)
def test_a_promised_name_needs_no_plugin_before_it(name: str) -> None:
    plugin, architecture = resolve_backbone(Registry(), name)
    assert (plugin.ref.name, architecture) == ("timm", name)


def test_an_alias_means_the_network_and_weights_that_it_says() -> None:
    assert set(ALIASES.values()) <= set(timm.list_models(pretrained=True))
    assert OFFERED["beit_l_16_224_in22k"].input_size == 224
    network = build_backbone("mvit_v2_s", 32).module
    assert network.pretrained_cfg["architecture"] == "mvitv2_small"


def test_a_network_of_torchvision_is_found_without_importing_timm() -> None:
    script = (
        "import sys\n"
        "from facenet.architectures import resolve_backbone\n"
        "from facenet.plugins import Registry\n"
        "print(resolve_backbone(Registry(), 'resnet50')[0].ref.name, 'timm' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["torchvision", "False"]


def test_without_timm_its_networks_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "facenet_timm.names")
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UnknownPlugin) as raised:
        resolve_backbone(Registry(), "convnextv2_tiny")
    assert "unknown backbone 'convnextv2_tiny'" in str(raised.value)
    assert "pip install 'facenet-kit[timm]'" in str(raised.value)


@pytest.mark.parametrize("name", ["mvit_v2_m", "timm/mvit_v2_m"])
def test_a_name_that_no_library_has_is_explained(name: str) -> None:
    with pytest.raises(
        UnknownPlugin, match="no library has a network of that name; take mvitv2_small or mvitv2_ba"
    ):
        resolve_backbone(Registry(), name)


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("convnextv2_atto", "CC-BY-NC-4.0"),
        ("convnextv2_huge.fcmae", "CC-BY-NC-4.0"),
        ("beit_b_16_224", "Apache-2.0"),
        ("convnextv2_small", None),
        ("mobileone_s0.apple_in1k", "LicenseRef-mobileone-license"),
    ],
)
def test_licences_are_spdx_ids(name: str, licence: str | None) -> None:
    assert OFFERED[name].licence == licence


@pytest.mark.parametrize("architecture", ["maxvit_tiny_tf_224", "coat_tiny"])
def test_an_impossible_size_is_an_error_that_names_the_right_one(architecture: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"{architecture} cannot work at image_size 112 \(its own is 224\): ."
    ):
        build_backbone(f"timm/{architecture}", 112)


@pytest.mark.parametrize(
    ("architecture", "network"),
    [("convnextv2_atto", "convnextv2_atto"), ("timm/resnet18", "resnet18")],
)
def test_weights_come_from_a_local_file(tmp_path: Path, architecture: str, network: str) -> None:
    file = tmp_path / "model.safetensors"
    stored = timm.create_model(network).state_dict()
    save_file(stored, file)
    backbone = build_backbone(architecture, 64, pretrained=True, weights_file=file)
    own = backbone.module.state_dict()
    assert all(torch.equal(own[name], stored[name]) for name in own)
    assert backbone.licence == OFFERED[network].licence
    assert build_backbone(architecture, 64).licence is None


def test_weights_of_a_vit_are_interpolated_to_the_image_size(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    stored = timm.create_model("vit_tiny_patch16_224").state_dict()
    stored["pos_embed"] = torch.full_like(stored["pos_embed"], 0.25)
    save_file(stored, file)
    backbone = build_backbone("timm/vit_tiny_patch16_224", 64, pretrained=True, weights_file=file)
    assert backbone.mean == (0.5, 0.5, 0.5)
    torch.testing.assert_close(backbone.module.pos_embed, torch.full((1, 17, 192), 0.25))


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [("resnet34", "layer1.2.conv1.weight is missing"), ("resnet50", "size mismatch for ")],
)
def test_weights_of_another_network_are_refused(
    tmp_path: Path, architecture: str, reason: str
) -> None:
    file = tmp_path / "model.safetensors"
    save_file(timm.create_model("resnet18").state_dict(), file)
    with pytest.raises(ModelError, match=f"for {architecture}: the weights do not fit: {reason}"):
        build_backbone(f"timm/{architecture}", 64, pretrained=True, weights_file=file)


def test_a_network_without_pretrained_weights_says_so() -> None:
    with pytest.raises(ConfigError, match="no pretrained weights for convnextv2_small"):
        build_backbone("convnextv2_small", 64, pretrained=True)


def test_pretrained_weights_that_cannot_be_fetched_say_where_to_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError) as raised:
        build_backbone("convnextv2_atto", 64, pretrained=True)
    text = str(raised.value)
    assert (
        "weights_file to a copy of model.safetensors of timm/convnextv2_atto.fcmae_ft_in1k" in text
    )
    assert "cache folder into " in text
    assert text.endswith("or set model.pretrained: false")


def test_a_repository_in_the_hubs_cache_needs_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    stored = timm.create_model("convnextv2_atto").state_dict()
    repository = tmp_path / "models--timm--convnextv2_atto.fcmae_ft_in1k"
    for folder in ("refs", "snapshots/0"):
        (repository / folder).mkdir(parents=True)
    (repository / "refs" / "main").write_text("0")
    save_file(stored, repository / "snapshots" / "0" / "model.safetensors")
    own = build_backbone("convnextv2_atto", 64, pretrained=True).module.state_dict()
    assert all(torch.equal(own[name], stored[name]) for name in own)
