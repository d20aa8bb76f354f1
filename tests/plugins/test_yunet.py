"""What is particular to the detector yunet: its weights, its options, its photos side by side."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="needs facenet-kit[yunet]")

from facenet.errors import ConfigError, ModelError  # noqa: E402
from facenet.known_models import known_model  # noqa: E402
from facenet.plugins import Registry  # noqa: E402
from facenet.testing.detectors import check_same, drawn_photo, grey_noise  # noqa: E402

FILE = "face_detection_yunet_2023mar.onnx"


def make(config_dir: Path | None = None, **options: object) -> Any:
    plugin = Registry().load("detector", "yunet")
    return plugin.make_from(options, config_dir=config_dir, device="cpu")


@pytest.fixture(scope="module")
def weights(real_models: Path) -> Path:
    return real_models / FILE


def test_the_known_weights_are_used_when_none_are_named(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACENET_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="facenet models get yunet"):
        make()
    (tmp_path / "models").mkdir()
    shutil.copy(weights, tmp_path / "models")
    assert make()([drawn_photo()])[0]


def test_weights_lie_beside_the_configuration(weights: Path, tmp_path: Path) -> None:
    shutil.copy(weights, tmp_path / "detector.onnx")
    assert make(tmp_path, weights="detector.onnx")([drawn_photo()])[0]
    with pytest.raises(ModelError, match=f"{tmp_path}/other.onnx: no such file"):
        make(tmp_path, weights="other.onnx")


def test_the_licence_of_known_weights_is_known_under_any_name(
    weights: Path, tmp_path: Path
) -> None:
    shutil.copy(weights, tmp_path / "detector.onnx")
    detector = make(tmp_path, weights="detector.onnx", weights_licence="Apache-2.0")
    assert detector.licence == known_model("yunet").licence


def test_the_licence_of_other_weights_is_what_the_configuration_says(
    weights: Path, tmp_path: Path
) -> None:
    # A field that ONNX does not know changes the file and nothing else.
    (tmp_path / "other.onnx").write_bytes(weights.read_bytes() + b"\xf8\x3f\x00")
    assert make(tmp_path, weights="other.onnx").licence is None
    named = make(tmp_path, weights="other.onnx", weights_licence="Apache-2.0")
    assert named.licence == "Apache-2.0"


@pytest.mark.parametrize("content", ["", "no network", "half", "another network"])
def test_a_file_that_is_not_yunet_is_refused_by_name(
    content: str, weights: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "weights.onnx"
    if content == "another network":
        write_other_network(path)
    elif content == "half":
        path.write_bytes(weights.read_bytes()[:100_000])
    else:
        path.write_text(content)
    with pytest.raises(ModelError, match=str(path)):
        make(weights=path)
    assert capfd.readouterr() == ("", "")


def test_nothing_is_printed(weights: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make(weights=weights)([drawn_photo()])
    assert capfd.readouterr() == ("", "")


def test_what_opencv_reports_to_others_stays_as_it_was(weights: Path) -> None:
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_INFO)
    try:
        make(weights=weights)
        assert cv2.utils.logging.getLogLevel() == cv2.utils.logging.LOG_LEVEL_INFO
    finally:
        cv2.utils.logging.setLogLevel(before)


def test_the_answer_is_that_of_opencv_for_blue_green_red(weights: Path) -> None:
    photo = drawn_photo()
    photo[:, :, 0] //= 2
    [faces] = make(weights=weights)([photo])
    network = cv2.FaceDetectorYN.create(str(weights), "", photo.shape[1::-1], 0.6)
    _, rows = network.detect(np.ascontiguousarray(photo[:, :, ::-1]))
    rows = rows[np.argsort(-rows[:, 14])]
    boxes = [(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in (face.box for face in faces)]
    np.testing.assert_allclose(boxes, rows[:, :4], atol=1e-3)
    np.testing.assert_allclose([face.score for face in faces], rows[:, 14], atol=1e-6)
    points = [face.landmarks.ravel() for face in faces]
    np.testing.assert_allclose(points, rows[:, 4:14], atol=1e-3)


def test_more_confidence_wants_fewer_faces(weights: Path) -> None:
    photo = [drawn_photo()]
    [faces] = make(weights=weights, confidence=0.6)(photo)
    [surer] = make(weights=weights, confidence=faces[0].score - 1e-4)(photo)
    assert len(surer) < len(faces)
    check_same(surer, faces[: len(surer)])


def test_overlap_decides_what_is_one_face(weights: Path) -> None:
    photo = [drawn_photo()]
    assert len(make(weights=weights, overlap=0.95)(photo)[0]) > len(make(weights=weights)(photo)[0])


def test_the_largest_side_is_what_photos_are_reduced_to(weights: Path) -> None:
    assert make(weights=weights, max_side=320).working_size == 320


@pytest.mark.parametrize("shape", [(1, 1), (5, 3)])
def test_a_tiny_photo_holds_no_face(weights: Path, shape: tuple[int, int]) -> None:
    assert make(weights=weights)([grey_noise(*shape)]) == [[]]


def test_many_photos_of_all_sizes_are_told_apart(weights: Path) -> None:
    detector, photo = make(weights=weights), drawn_photo()
    photos = [np.ascontiguousarray(photo[: 150 - 3 * i, : 290 - 5 * i]) for i in range(16)]
    for alone, answer in zip(photos, detector(photos), strict=True):
        check_same(detector([alone])[0], answer)


def test_it_runs_on_the_cpu_whatever_the_device(weights: Path) -> None:
    detector = Registry().load("detector", "yunet").make_from({"weights": weights}, device="cuda")
    assert detector([drawn_photo()])[0]


@pytest.mark.parametrize(
    "options", [{"confidence": 1.5}, {"overlap": -0.1}, {"max_side": 8}, {"weight": "x.onnx"}]
)
def test_options_out_of_bounds_are_named(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        make(**options)


def write_other_network(path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs facenet-kit[onnx]")
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 32, 32])
        for name in ("input", "output")
    ]
    node = onnx.helper.make_node("Relu", ["input"], ["output"])
    graph = onnx.helper.make_graph([node], "other", ends[:1], ends[1:])
    onnx.save(onnx.helper.make_model(graph), path)
