"""Which photos may be enrolled, and what is said of those that may not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from facenet import Recognizer
from facenet.config import InferenceConfig, load_config, parse_config
from facenet.errors import QualityError
from facenet.imaging.alignment import TEMPLATE
from facenet.recognition import populate
from facenet.recognition.cropping import Crop
from facenet.recognition.quality import Quality, quality_of, reasons_against
from facenet.types import Face

GOOD = Quality(side=200, sharpness=200, yaw=0, pitch=0, score=0.95, faces=1)


def crop_of(pixels: np.ndarray, landmarks: np.ndarray | None = None) -> Crop:
    height, width = pixels.shape[:2]
    return Crop("a.jpg", Face((0, 0, width, height), 0.9, landmarks), pixels, 1)


@pytest.fixture
def sharp() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (112, 112, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "change, standard, strict",
    [
        ({}, [], []),
        ({"side": 60}, [], ["small_face"]),
        ({"side": 30}, ["small_face"], ["small_face"]),
        ({"sharpness": 20}, [], ["blurred"]),
        ({"sharpness": 2}, ["blurred"], ["blurred"]),
        ({"yaw": -30}, [], ["turned"]),
        ({"yaw": 60}, ["turned"], ["turned"]),
        ({"pitch": 25}, [], ["tilted"]),
        ({"pitch": -50}, ["tilted"], ["tilted"]),
        ({"score": 0.7}, [], ["low_score"]),
        ({"score": 0.3}, ["low_score"], ["low_score"]),
        ({"faces": 3}, [], ["several_faces"]),
        ({"yaw": None, "pitch": None}, [], []),
        ({"side": 10, "sharpness": 1}, ["small_face", "blurred"], ["small_face", "blurred"]),
    ],
)
def test_a_policy_refuses_with_codes(change, standard, strict) -> None:
    quality = replace(GOOD, **change)
    for policy, expected in (("off", []), ("standard", standard), ("strict", strict)):
        assert [reason.code for reason in reasons_against(quality, policy)] == expected


def test_blur_takes_sharpness(sharp: np.ndarray) -> None:
    blurred = np.asarray(Image.fromarray(sharp).filter(ImageFilter.GaussianBlur(3)))
    assert quality_of(crop_of(blurred)).sharpness < quality_of(crop_of(sharp)).sharpness / 100


@pytest.mark.parametrize("turn", [-45, -20, 0, 20, 45])
def test_pose_follows_the_nose(sharp: np.ndarray, turn: float) -> None:
    """A nose that stands out by 0.45 distances between the eyes, seen from the side."""
    landmarks = TEMPLATE.copy()
    landmarks[:, 0] = 56 + (landmarks[:, 0] - landmarks[:2, 0].mean()) * np.cos(np.radians(turn))
    landmarks[2, 0] = 56 - 0.45 * 35.2 * np.sin(np.radians(turn))
    quality = quality_of(crop_of(sharp, landmarks.astype(np.float32)))
    assert quality.yaw == pytest.approx(turn, abs=3)
    assert abs(quality.pitch) < 10


def test_pose_does_not_depend_on_how_the_head_is_inclined(sharp: np.ndarray) -> None:
    angle = np.radians(40)
    turned = TEMPLATE @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    upright = quality_of(crop_of(sharp, TEMPLATE.astype(np.float32)))
    inclined = quality_of(crop_of(sharp, turned.astype(np.float32)))
    assert inclined.yaw == pytest.approx(upright.yaw, abs=0.01)
    assert inclined.pitch == pytest.approx(upright.pitch, abs=0.01)


def test_impossible_landmarks_are_refused_not_divided_by(sharp: np.ndarray) -> None:
    quality = quality_of(crop_of(sharp, np.zeros((5, 2), np.float32)))
    assert [reason.code for reason in reasons_against(quality, "standard")] == ["turned"]


def test_weight_is_a_share(sharp: np.ndarray) -> None:
    assert GOOD.weight == 1
    assert replace(GOOD, side=40).weight == pytest.approx(0.5)
    assert 0 < replace(GOOD, side=1, sharpness=0, yaw=80).weight < 0.1


class ByColour:
    """A model whose embedding is the mean colour: people of one colour are alike."""

    def __init__(self, model) -> None:
        self.card, self.embedding_dim, self.device = model.card, model.embedding_dim, model.device

    def embed(self, faces: np.ndarray, *, normalize: bool = True) -> np.ndarray:
        means = faces.reshape(len(faces), -1, 3).mean(axis=1)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        return np.pad(means, ((0, 0), (0, self.embedding_dim - 3))).astype(np.float32)


@pytest.fixture
def by_colour(trained: Path, request: pytest.FixtureRequest) -> Recognizer:
    values = {
        "checkpoint_path": str(trained / "bundle"),
        "device": "cpu",
        "store": "memory",
        **getattr(request, "param", {}),
    }
    config = parse_config(values, InferenceConfig)
    recognizer = Recognizer.from_config(config)
    whole = recognizer.registry.load("detector", "whole_image").make_from({}, device="cpu")
    return Recognizer(
        ByColour(recognizer.model),
        whole,
        recognizer._open_store,
        config=config,
        registry=recognizer.registry,
    )


def noisy(colour: tuple[int, int, int], seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(-40, 40, (64, 64, 3))
    return np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)


RED, BLUE = (200, 60, 60), (60, 60, 200)


def test_a_stranger_is_flagged_before_anything_is_stored(by_colour: Recognizer) -> None:
    by_colour.enrol("red", [noisy(RED, seed) for seed in range(4)])
    with pytest.raises(QualityError, match="the face is unlike the others of 'red'") as caught:
        by_colour.enrol("red", [noisy(RED, 5), noisy(BLUE, 6)])
    assert caught.value.codes == ("possible_mix_up",)
    assert by_colour.store.get("red").samples == 4


def test_a_poor_photo_is_refused_with_its_reason(by_colour: Recognizer) -> None:
    tiny = noisy(RED, 0)[:20, :20]
    with pytest.raises(QualityError, match=r"20 pixels wide or high, 40 are wanted \(small_face\)"):
        by_colour.enrol("red", [noisy(RED, 1), tiny])
    assert by_colour.store.count() == 0


@pytest.mark.parametrize("by_colour", [{"quality": "off"}], indirect=True)
def test_the_policy_can_be_off(by_colour: Recognizer) -> None:
    photos = [noisy(RED, seed) for seed in range(4)]
    assert by_colour.enrol("red", [*photos, noisy(BLUE, 9), noisy(RED, 7)[:20, :20]]).added == 6


@pytest.mark.parametrize("spelling", ["off", "'off'"])
def test_a_bare_off_in_yaml_is_the_word(tmp_path: Path, spelling: str) -> None:
    path = tmp_path / "inference.yaml"
    path.write_text(f"checkpoint_path: x\nquality: {spelling}\n")
    assert load_config(path).quality == "off"


def test_populate_leaves_refused_photos_out_and_says_so(
    by_colour: Recognizer, tmp_path: Path
) -> None:
    (tmp_path / "red").mkdir()
    for seed in range(4):
        Image.fromarray(noisy(RED, seed)).save(tmp_path / "red" / f"{seed}.png")
    Image.fromarray(noisy(BLUE, 8)).save(tmp_path / "red" / "8.png")
    report = populate(by_colour, tmp_path)
    assert report.added == 4
    [refused] = report.failures
    assert refused.codes == ("possible_mix_up",)
    assert str(refused).endswith("8.png: the face is unlike the others of 'red' (possible_mix_up)")


@pytest.mark.parametrize("by_colour", [{"template": "robust", "quality": "off"}], indirect=True)
def test_a_robust_template_forgets_a_stranger(by_colour: Recognizer) -> None:
    by_colour.enrol("red", [noisy(RED, seed) for seed in range(5)])
    before = by_colour.store.get("red").centroid
    by_colour.enrol("red", [noisy(BLUE, 9)])
    record = by_colour.store.get("red")
    assert record.samples == 6
    assert record.centroid @ before == pytest.approx(1, abs=1e-4)
