"""What is particular to the detector yolo: its files, what it makes of answers, its devices."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facenet.errors import ConfigError, DeviceError, MissingDependency, ModelError
from facenet.plugins import Registry
from facenet.testing.detectors import check_same, drawn_photo, grey_noise

SIDE = 128
TFLITE = "yolov8n-face_int8.tflite"


def make(config_dir: Path | None = None, device: str = "cpu", **options: object) -> Any:
    plugin = Registry().load("detector", "yolo")
    return plugin.make_from({"max_side": SIDE} | options, config_dir=config_dir, device=device)


def answer_of_the_library(weights: Path, bgr: np.ndarray, **arguments: object) -> Any:
    """What ultralytics itself says of a photo whose colours are in OpenCV's order."""
    from facenet_yolo.containment import contained

    with contained():
        from ultralytics.models import YOLO

        arguments |= {"imgsz": SIDE, "conf": 0.5, "iou": 0.45, "rect": False, "verbose": False}
        return YOLO(weights).predict([np.ascontiguousarray(bgr)], **arguments)[0]


def test_the_licence_of_the_library_is_stated() -> None:
    info = Registry().load("detector", "yolo").info
    assert (info.licence, info.requires["ultralytics"]) == ("MIT", "AGPL-3.0-only")


def test_the_licence_of_the_weights_is_what_the_configuration_says(yolo_files: Path) -> None:
    assert make(weights=yolo_files / "pose.pt").licence is None
    assert make(weights=yolo_files / "pose.pt", weights_licence="MIT").licence == "MIT"


def test_the_answer_is_that_of_the_library_for_blue_green_red(yolo_files: Path) -> None:
    photo = drawn_photo()
    photo[:, :, 0] //= 2
    [faces] = make(weights=yolo_files / "pose.pt")([photo])
    result = answer_of_the_library(yolo_files / "pose.pt", photo[:, :, ::-1])
    boxes, points = result.boxes.xyxy.numpy(), result.keypoints.xy.numpy()
    np.testing.assert_allclose([face.box for face in faces], boxes, atol=1e-3)
    np.testing.assert_allclose([face.landmarks for face in faces], points, atol=1e-3)


def test_a_model_of_boxes_gives_no_landmarks(yolo_files: Path) -> None:
    [faces] = make(weights=yolo_files / "boxes.pt")([drawn_photo()])
    assert faces
    assert all(face.landmarks is None for face in faces)


def test_of_several_classes_faces_alone_count(yolo_files: Path) -> None:
    weights, bgr = yolo_files / "boxes.pt", drawn_photo()[:, :, ::-1]
    assert set(answer_of_the_library(weights, bgr).boxes.cls.tolist()) == {0, 1}
    boxes = answer_of_the_library(weights, bgr, classes=[1], agnostic_nms=True).boxes.xyxy.numpy()
    inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    [faces] = make(weights=weights)([drawn_photo()])
    np.testing.assert_allclose([face.box for face in faces], boxes[inside], atol=1e-3)


def test_an_exported_model_finds_what_its_original_finds(yolo_files: Path) -> None:
    photos = [drawn_photo(), grey_noise(61, 203)]
    names = ("pose.pt", "pose.onnx", "pose-any-batch.onnx")
    original, *exported = [make(weights=yolo_files / name)(photos) for name in names]
    for answers in exported:
        for faces, expected in zip(answers, original, strict=True):
            check_same(faces, expected)


def test_no_face_is_lost_when_sorting_out_boxes_takes_long(
    yolo_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision

    detector, photos = make(weights=yolo_files / "pose.pt"), [drawn_photo()] * 2
    expected, sort_out = detector(photos), torchvision.ops.nms

    def slowly_once(*arguments: Any) -> Any:
        monkeypatch.setattr(torchvision.ops, "nms", sort_out)
        time.sleep(2.3)
        return sort_out(*arguments)

    monkeypatch.setattr(torchvision.ops, "nms", slowly_once)
    assert list(map(len, detector(photos))) == list(map(len, expected))


@pytest.mark.parametrize(
    "name, max_side, looked_at",
    [("pose.pt", 64, 64), ("pose.onnx", 640, 128), ("pose-any-batch.onnx", 640, 640)],
)
def test_a_model_for_one_size_keeps_it(
    yolo_files: Path, name: str, max_side: int, looked_at: int
) -> None:
    assert make(weights=yolo_files / name, max_side=max_side).working_size == looked_at


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3000, 9)])
def test_a_photo_too_small_for_a_face_has_none(yolo_files: Path, shape: tuple[int, int]) -> None:
    detector = make(weights=yolo_files / "pose.pt", confidence=0.001)
    [nobody, faces] = detector([grey_noise(*shape), drawn_photo()])
    assert nobody == []
    assert faces


def test_the_default_weights_lie_among_the_known_ones(
    yolo_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACENET_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=f"{tmp_path}/models; facenet ships none"):
        make()
    (tmp_path / "models").mkdir()
    shutil.copy(yolo_files / "pose.onnx", tmp_path / "models" / "yolo-face.onnx")
    assert make(max_side=640).working_size == SIDE
    shutil.copy(yolo_files / "pose.pt", tmp_path / "models" / "yolo-face.pt")
    assert make(max_side=640).working_size == 640


def test_weights_lie_beside_the_configuration(yolo_files: Path) -> None:
    assert make(yolo_files, weights="pose.pt")([drawn_photo()])[0]


@pytest.mark.parametrize("content", ["", "no network"])
@pytest.mark.parametrize("name", ["weights.pt", "weights.onnx", "weights.tflite"])
def test_a_damaged_file_is_refused_by_name(
    yolo_files: Path, tmp_path: Path, name: str, content: str
) -> None:
    if name.endswith("tflite"):
        pytest.importorskip("ai_edge_litert", reason="needs facenet-kit[yolo]")
    (tmp_path / name).write_text(content)
    with pytest.raises(ModelError, match=f"{tmp_path / name}: not a model that ultralytics runs"):
        make(weights=tmp_path / name)


@pytest.mark.parametrize(
    "name, reason",
    [
        ("classes.pt", "a model to classify"),
        ("things.pt", "finds hat, dog"),
        ("yolo26n.pt", "no such file"),
    ],
)
def test_a_file_that_finds_no_faces_is_refused_by_name(
    yolo_files: Path, name: str, reason: str
) -> None:
    with pytest.raises(ModelError, match=f"{name}: .*{reason}"):
        make(weights=yolo_files / name)
    assert not Path(name).exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a GPU")
@pytest.mark.parametrize("name", ["pose.pt", "pose.onnx"])
def test_a_device_that_is_not_here_is_an_error(yolo_files: Path, name: str) -> None:
    with pytest.raises(DeviceError, match="'cuda'"):
        make(weights=yolo_files / name, device="cuda")


def test_an_onnxruntime_without_the_device_is_an_error(
    yolo_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match="onnxruntime cannot use it"):
        make(weights=yolo_files / "pose.onnx", device="cuda")


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_tflite_runs_on_no_other_device_than_the_cpu(tmp_path: Path, device: str) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs facenet-kit[yolo]")
    (tmp_path / "weights.tflite").touch()
    with pytest.raises(DeviceError, match=r"a \.tflite file runs on the CPU only"):
        make(weights=tmp_path / "weights.tflite", device=device)


def test_the_library_of_a_format_is_named_when_it_is_missing(
    yolo_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependency, match=r"pip install 'facenet-kit\[yolo,onnx\]'"):
        make(weights=yolo_files / "pose.onnx")


@pytest.mark.parametrize(
    "options",
    [{"weights": "weights.engine"}, {"max_side": 100}, {"confidence": 2}, {"iou": 0.5}],
)
def test_options_out_of_bounds_are_named(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        make(**options)


def test_real_weights_find_drawn_faces(real_models: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs facenet-kit[yolo]")
    [faces] = make(weights=real_models / TFLITE, max_side=640)([drawn_photo()])
    assert len(faces) == 2
