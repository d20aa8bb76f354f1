"""The conformance suite on each first-party detector, and how well two of them find real faces."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from facenet.imaging import decode
from facenet.imaging.faces import to_faces
from facenet.plugins import Registry
from facenet.testing import DetectorSuite
from facenet.testing.detectors import check_boxes
from facenet.types import Detector, Face

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from facenet.types import Image

YUNET = "face_detection_yunet_2023mar.onnx"
YOLO = "yolov8n-face_int8.tflite"
PASTED_AT = (70, 40)


def make(plugin: str, **options: object) -> Detector:
    detector: Detector = Registry().load("detector", plugin).make_from(options, device="cpu")
    return detector


@dataclass(frozen=True)
class BoxedPhoto:
    """A photo and the (N, 4) boxes, x1, y1, x2, y2 in its pixels, that a person drew in it."""

    pixels: Image
    boxes: NDArray[np.float64]


@pytest.fixture(scope="module")
def boxed_faces(faces_boxes: Path) -> list[BoxedPhoto]:
    """Photos of groups of people, each with its boxes."""
    photos = []
    for photo in ElementTree.parse(faces_boxes / "training.xml").iter("image"):
        sides = [
            [float(box.attrib[side]) for side in ("left", "top", "width", "height")]
            for box in photo.iter("box")
        ]
        boxes = np.array(sides)
        boxes[:, 2:] += boxes[:, :2]
        photos.append(BoxedPhoto(decode(faces_boxes / photo.attrib["file"]), boxes))
    return photos


@pytest.fixture(scope="module")
def yunet(real_models: Path) -> Detector:
    pytest.importorskip("cv2", reason="needs facenet-kit[yunet]")
    return make("yunet", weights=real_models / YUNET)


@pytest.fixture(scope="module")
def yolo(real_models: Path) -> Detector:
    if find_spec("ultralytics") is None:
        pytest.skip("needs facenet-kit[yolo]")
    return make("yolo", weights=real_models / YOLO)


@pytest.fixture(scope="module", params=["pose.pt", "pose.onnx", "pose-any-batch.onnx"])
def untrained_yolo(request: pytest.FixtureRequest, yolo_files: Path) -> Detector:
    """In the formats that the real weights are not in."""
    return make("yolo", weights=yolo_files / request.param, max_side=128)


class TestWholeImage(DetectorSuite):
    @pytest.fixture
    def detector(self) -> Detector:
        return make("whole_image")


class TestYuNet(DetectorSuite):
    @pytest.fixture
    def detector(self, yunet: Detector) -> Detector:
        return yunet


class TestYolo(DetectorSuite):
    @pytest.fixture
    def detector(self, yolo: Detector) -> Detector:
        return yolo


class TestUntrainedYolo(DetectorSuite):
    @pytest.fixture
    def detector(self, untrained_yolo: Detector) -> Detector:
        return untrained_yolo


@pytest.fixture(params=["yunet", "yolo"])
def detector(request: pytest.FixtureRequest) -> Detector:
    """A detector with real weights."""
    made: Detector = request.getfixturevalue(request.param)
    return made


def test_the_faces_that_a_person_saw_are_found_and_no_others(
    detector: Detector, boxed_faces: list[BoxedPhoto]
) -> None:
    answers = detector([photo.pixels for photo in boxed_faces])
    right = sum(
        right_boxes(photo.boxes, boxes_of(faces))
        for photo, faces in zip(boxed_faces, answers, strict=True)
    )
    found, there = sum(map(len, answers)), sum(len(photo.boxes) for photo in boxed_faces)
    # Of 18 faces, yunet finds 17 and one box that overlaps by 0.49; yolo finds them all.
    assert right / found > 0.94
    assert right / there > 0.94


def test_boxes_and_landmarks_are_in_pixels_of_the_photo(
    detector: Detector, boxed_faces: list[BoxedPhoto]
) -> None:
    photo = boxed_faces[0].pixels
    height, width = photo.shape[:2]
    x, y = PASTED_AT
    canvas = np.full((height + 101, width + 155, 3), 114, np.uint8)
    canvas[y : y + height, x : x + width] = photo
    [alone], [pasted] = detector([photo]), detector([canvas])
    assert len(alone) == len(pasted)
    for face in alone:
        twin = nearest(face, pasted, PASTED_AT)
        size = face.box[2] - face.box[0]
        np.testing.assert_allclose(np.array(twin.box) - face.box, (x, y, x, y), atol=size / 6)
        assert face.landmarks is not None
        assert twin.landmarks is not None
        np.testing.assert_allclose(
            twin.landmarks - face.landmarks, np.tile(PASTED_AT, (5, 1)), atol=size / 6
        )


def test_a_mirrored_photo_has_mirrored_faces(
    detector: Detector, boxed_faces: list[BoxedPhoto]
) -> None:
    photo = boxed_faces[0].pixels
    width = photo.shape[1]
    [faces], [mirrored] = detector([photo]), detector([photo[:, ::-1]])
    for face in faces:
        x1, y1, x2, y2 = face.box
        assert face.landmarks is not None
        # The person's right eye has become a left one.
        points = (face.landmarks * (-1, 1) + (width, 0))[[1, 0, 2, 4, 3]].astype(np.float32)
        twin = nearest(Face((width - x2, y1, width - x1, y2), 1.0), mirrored)
        np.testing.assert_allclose(twin.landmarks, points, atol=(x2 - x1) / 6)


def test_yolo_and_yunet_mean_the_same_landmarks(
    yolo: Detector, yunet: Detector, boxed_faces: list[BoxedPhoto]
) -> None:
    for photo in boxed_faces:
        [ours], [theirs] = yolo([photo.pixels]), yunet([photo.pixels])
        for face in ours:
            other = nearest(face, theirs)
            assert face.landmarks is not None
            assert other.landmarks is not None
            apart = np.linalg.norm(face.landmarks[:, None] - other.landmarks[None], axis=2)
            # The pairing that fits best: on a face 34 pixels wide a nose may be nearer a mouth.
            assert linear_sum_assignment(apart)[1].tolist() == [0, 1, 2, 3, 4]


def test_the_right_eye_comes_first(detector: Detector, photo_of_one: Image) -> None:
    [[face]] = detector([photo_of_one])
    assert face.landmarks is not None
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
    assert right_eye[0] < nose[0] < left_eye[0]  # who looks at us has the right eye on our left
    assert right_mouth[0] < nose[0] < left_mouth[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])


numbers = st.floats(-40, 60, width=32)
found_boxes = st.lists(st.tuples(numbers, numbers, numbers, numbers, st.floats(-1, 2, width=32)))


@given(found=found_boxes, height=st.integers(1, 30), width=st.integers(1, 30))
def test_what_a_network_found_is_ordered_and_cut_to_the_photo(
    found: list[tuple[float, ...]], height: int, width: int
) -> None:
    rows = np.array(found, np.float32).reshape(-1, 5)
    photo = np.zeros((height, width, 3), np.uint8)
    faces = to_faces(photo, rows[:, :4], rows[:, 4])
    check_boxes(photo, faces)
    scores = [face.score for face in faces]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    seen = [
        (x1, y1, x2, y2)
        for x1, y1, x2, y2, _ in found
        if max(x1, 0) < min(x2, width) and max(y1, 0) < min(y2, height)
    ]
    assert len(faces) == len(seen)


@pytest.fixture
def photo_of_one() -> Image:
    from facenet.drawn_faces import draw_face

    return np.asarray(draw_face(0, 0, size=200))


def boxes_of(faces: list[Face]) -> NDArray[np.float64]:
    return np.array([face.box for face in faces]).reshape(-1, 4)


def right_boxes(drawn: NDArray[np.float64], found: NDArray[np.float64]) -> int:
    """How many of the drawn boxes a found one of its own overlaps by half of their union."""
    overlap, right = overlaps(found, drawn), 0
    for row in overlap:
        best = int(row.argmax())
        if row[best] >= 0.5:
            right += 1
            overlap[:, best] = 0
    return right


def overlaps(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, M) intersection over union of (N, 4) and (M, 4) boxes."""
    first, second = one[:, None], other[None]
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(
        first[..., :2], second[..., :2]
    )
    shared: NDArray[np.float64] = sides.clip(0).prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(-1) for boxes in (first, second)]
    return shared / (areas[0] + areas[1] - shared)


def nearest(face: Face, others: list[Face], moved: tuple[int, int] = (0, 0)) -> Face:
    """The one of `others` that overlaps most with a face that was moved."""
    boxes = boxes_of([face]) + np.tile(moved, 2)
    return others[int(overlaps(boxes, boxes_of(others))[0].argmax())]
