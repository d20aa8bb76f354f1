"""Bundles and checkpoints: the same embeddings from both, and no damage unnoticed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from facenet.errors import DeviceError, ModelError
from facenet.models import (
    NetworkSpec,
    build_network,
    load_model,
    resized,
    resolve_device,
    save_bundle,
)

from .cards import change_card


@pytest.fixture
def crops() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


def test_bundle_and_checkpoint_are_one_model(bundle: Path, checkpoint: Path, crops) -> None:
    from_bundle, from_checkpoint = load_model(bundle), load_model(checkpoint)
    np.testing.assert_array_equal(from_bundle.embed(crops), from_checkpoint.embed(crops))
    assert from_bundle.card.space == from_checkpoint.card.space


def test_embeddings_have_unit_length_unless_asked_otherwise(bundle: Path, crops) -> None:
    model = load_model(bundle)
    unit, raw = model.embed(crops), model.embed(crops, normalize=False)
    assert unit.shape == (5, 16)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(raw / np.linalg.norm(raw, axis=1, keepdims=True), unit, atol=1e-5)


def test_an_embedding_does_not_depend_on_its_batch(bundle: Path, crops) -> None:
    model = load_model(bundle)
    np.testing.assert_allclose(model.embed(crops[:1]), model.embed(crops)[:1], atol=1e-5)


def test_no_faces_have_no_embeddings(bundle: Path, crops) -> None:
    assert load_model(bundle).embed(crops[:0]).shape == (0, 16)


def test_another_input_size_is_another_space_without_figures(bundle: Path) -> None:
    model = load_model(bundle)
    other = resized(model, 48)
    assert other.embed(np.zeros((1, 48, 48, 3), np.uint8)).shape == (1, 16)
    assert other.card.space != model.card.space
    assert (other.card.calibration, other.card.metrics, other.card.reference) == (None, {}, ())


def test_a_bundle_says_everything_needed(bundle: Path) -> None:
    card = json.loads((bundle / "config.json").read_text())
    assert card["network"]["backbone"] == "torchvision/resnet18"
    assert card["preprocessing"]["image_size"] == 32
    assert card["preprocessing"]["color"] == "rgb"
    auc = card["metrics"]["auc"]
    assert auc.keys() == {"value", "low", "high", "n", "needs"}
    assert 0 <= auc["low"] <= auc["value"] <= auc["high"] <= 1
    assert auc["value"] > 0.5
    assert len(card["reference"]) == 16
    readme = (bundle / "README.md").read_text()
    assert card["space"] in readme
    assert "torchvision/resnet18" in readme


def test_a_saved_bundle_loads_as_the_same_model(bundle: Path, tmp_path: Path, crops) -> None:
    model = load_model(bundle)
    again = load_model(save_bundle(model, tmp_path / "again"))
    np.testing.assert_array_equal(model.embed(crops), again.embed(crops))
    assert again.card == model.card


def test_saving_replaces_a_bundle_whole(bundle: Path) -> None:
    model = load_model(bundle)
    (bundle / "README.md").unlink()
    save_bundle(model, bundle)
    assert sorted(p.name for p in bundle.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    assert [p.name for p in bundle.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize("foreign", ["notes.txt", "config.json"])
def test_saving_leaves_alone_what_is_not_ours(bundle: Path, tmp_path: Path, foreign: str) -> None:
    model = load_model(bundle)
    (bundle / foreign).write_text('{"name": "my project"}')
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    with pytest.raises(ModelError, match="holds something that is no model bundle"):
        save_bundle(model, bundle)
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(ModelError, match=f"not a model bundle, {name} is missing"):
        load_model(bundle)


def test_a_wrong_card_is_named_by_key(bundle: Path) -> None:
    change_card(bundle, preprocessing__color="gbr")
    with pytest.raises(ModelError) as caught:
        load_model(bundle)
    assert "config.json: preprocessing.color: must be 'rgb' or 'bgr', got 'gbr'" in str(
        caught.value
    )


@pytest.mark.parametrize(
    "change",
    [
        {"preprocessing__color": "bgr"},
        {"preprocessing__std": [0.5, 0.5, 0.5]},
        {"preprocessing__alignment": "square"},
    ],
)
def test_a_changed_preprocessing_is_refused(bundle: Path, change: dict[str, object]) -> None:
    change_card(bundle, **change)
    with pytest.raises(ModelError, match=r"config\.json: says .* the preprocessing was changed"):
        load_model(bundle)


@pytest.mark.parametrize("version", [1, 3])
def test_a_card_of_another_version_is_refused_in_one_sentence(bundle: Path, version: int) -> None:
    change_card(bundle, format_version=version, metrics={"auc": 0.9})
    with pytest.raises(ModelError) as caught:
        load_model(bundle)
    assert f"has format_version {version}, and this facenet reads 2" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b'{"model_type": "bert"}', "not the card of a facenet model, format_version is missing"),
        (b"[]", "not the card of a facenet model, format_version is missing"),
        (b"{", "config.json is not JSON"),
        (b"\xff", "config.json is not JSON"),
    ],
)
def test_a_config_of_another_program_is_refused(
    bundle: Path, content: bytes, sentence: str
) -> None:
    (bundle / "config.json").write_bytes(content)
    with pytest.raises(ModelError, match=sentence):
        load_model(bundle)


def test_weights_of_another_architecture_are_refused(bundle: Path) -> None:
    change_card(bundle, network__backbone="torchvision/resnet34")
    with pytest.raises(ModelError, match="do not fit torchvision/resnet34"):
        load_model(bundle)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "pwned",))

    torch.save({"facenet_card": Malicious()}, tmp_path / "bad.ckpt")
    with pytest.raises(ModelError, match="not a checkpoint that can be read safely"):
        load_model(tmp_path / "bad.ckpt")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("content", [b"", b"text"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ckpt").write_bytes(content)
    with pytest.raises(ModelError, match=r"a\.ckpt: not a checkpoint"):
        load_model(tmp_path / "a.ckpt")


def test_a_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "a.ckpt")
    with pytest.raises(ModelError, match="not a checkpoint written by `facenet train`"):
        load_model(tmp_path / "a.ckpt")


def test_a_path_to_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nothing: no such checkpoint or bundle"):
        load_model(tmp_path / "nothing")


def test_crops_of_another_size_are_refused(bundle: Path) -> None:
    with pytest.raises(ModelError, match=r"takes \(N, 32, 32, 3\) uint8"):
        load_model(bundle).embed(np.zeros((1, 64, 64, 3), np.uint8))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_gpu_that_is_not_there_is_an_error_never_a_silent_cpu_run() -> None:
    with pytest.raises(DeviceError, match="'cuda' is not usable here"):
        resolve_device("cuda")
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type in ("cpu", "mps")


def test_a_frozen_backbone_does_not_learn() -> None:
    network, _, spec = build_network(
        NetworkSpec(backbone="resnet18", embedding_dim=8), image_size=32
    )
    network.freeze_backbone()
    learning = {name for name, p in network.named_parameters() if p.requires_grad}
    assert learning == {"head.1.weight", "head.2.weight", "head.2.bias"}
    assert spec.backbone == "torchvision/resnet18"
