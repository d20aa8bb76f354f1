"""What every face detector must do, as tests: subclass `DetectorSuite` and override `detector`."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from facenet.testing.suite import Suite, to_override
from facenet.types import Detector, Face

if TYPE_CHECKING:
    from facenet.types import Image

SAME_PIXELS = 0.1
"""Pixels by which two answers for one photo may differ: networks round otherwise in a batch."""
SAME_SCORE = 1e-3


class DetectorSuite(Suite):
    """Override `detector`, and `photo_with_faces` where the drawn faces are not found."""

    @pytest.fixture
    def detector(self, request: pytest.FixtureRequest) -> Detector:
        """The detector; one for all tests will do."""
        to_override(request, "the detector, as from plugin.make_from({}, device='cpu')")

    @pytest.fixture
    def photo_with_faces(self) -> Image:
        """(H, W, 3) uint8 RGB with at least one face that the detector finds; default: two drawn
        ones."""
        return drawn_photo()

    @pytest.fixture
    def photos(self, photo_with_faces: Image) -> list[Image]:
        """Photos of several sizes, with faces and without."""
        small = np.ascontiguousarray(photo_with_faces[::2, ::2])
        return [photo_with_faces, grey_noise(61, 203), small, grey_noise(97, 45), photo_with_faces]

    def test_no_photos_no_answers(self, detector: Detector) -> None:
        """If this fails: an empty batch is taken for an error."""
        assert detector([]) == []

    def test_each_photo_has_an_answer(self, detector: Detector, photos: list[Image]) -> None:
        """If this fails: a photo without faces is left out, instead of being answered with []."""
        answers = detector(photos)
        assert isinstance(answers, list)
        assert len(answers) == len(photos)
        assert all(isinstance(faces, list) for faces in answers)

    def test_a_face_is_found(self, detector: Detector, photo_with_faces: Image) -> None:
        """If this fails: override `photo_with_faces` with a photo in which the detector finds one;
        several of the other tests say nothing without."""
        assert detector([photo_with_faces])[0]

    def test_faces_are_plain_records(self, detector: Detector, photos: list[Image]) -> None:
        """If this fails: numbers of the library leave the detector, such as numpy scalars, which
        JSON does not have."""
        for face in _all_faces(detector, photos):
            assert isinstance(face, Face)
            assert isinstance(face.box, tuple)
            assert [type(number) for number in (*face.box, face.score)] == [float] * 5

    def test_best_first(self, detector: Detector, photos: list[Image]) -> None:
        """If this fails: faces come in the order of the network, and the first is not the best."""
        for faces in detector(photos):
            scores = [face.score for face in faces]
            assert scores == sorted(scores, reverse=True)

    def test_scores_are_in_0_to_1(self, detector: Detector, photos: list[Image]) -> None:
        """If this fails: scores are logits or percentages, or rounding takes them beyond 1."""
        assert all(0 <= face.score <= 1 for face in _all_faces(detector, photos))

    def test_boxes_are_inside_the_photo(self, detector: Detector, photos: list[Image]) -> None:
        """If this fails: boxes are not clipped to the photo, are in another scale than its pixels,
        or nothing is left of them and they are still reported."""
        for photo, faces in zip(photos, detector(photos), strict=True):
            check_boxes(photo, faces)

    def test_landmarks_belong_to_the_box(self, detector: Detector, photos: list[Image]) -> None:
        """If this fails: landmarks are in another scale than the box, or have another shape."""
        for face in _all_faces(detector, photos):
            if face.landmarks is None:
                continue
            assert face.landmarks.shape == (5, 2)
            assert face.landmarks.dtype == np.float32
            x1, y1, x2, y2 = face.box
            size = np.array([x2 - x1, y2 - y1])
            # A face at the edge of a photo has landmarks beyond what is left of its box.
            assert (face.landmarks >= np.array([x1, y1]) - size).all()
            assert (face.landmarks <= np.array([x2, y2]) + size).all()

    def test_photos_are_not_changed(self, detector: Detector, photos: list[Image]) -> None:
        """If this fails: the detector draws, scales or swaps colours in the caller's pixels."""
        before = [photo.copy() for photo in photos]
        detector(photos)
        for photo, copy in zip(photos, before, strict=True):
            np.testing.assert_array_equal(photo, copy)

    def test_read_only_photos(self, detector: Detector, photo_with_faces: Image) -> None:
        """If this fails: the library wants pixels that it may write to; give it a copy."""
        locked = photo_with_faces.copy()
        locked.flags.writeable = False
        check_same(detector([locked])[0], detector([photo_with_faces])[0])

    @pytest.mark.parametrize("layout", ["columns first", "mirrored view", "cut out"])
    def test_photos_in_any_memory_layout(
        self, detector: Detector, photo_with_faces: Image, layout: str
    ) -> None:
        """If this fails: pixels are read as if they lay row by row; use `np.ascontiguousarray`."""
        photo = {
            "columns first": np.asfortranarray(photo_with_faces),
            "mirrored view": np.ascontiguousarray(photo_with_faces[:, ::-1])[:, ::-1],
            "cut out": np.pad(photo_with_faces, ((0, 0), (7, 9), (0, 0)))[:, 7:-9],
        }[layout]
        check_same(detector([photo])[0], detector([photo_with_faces])[0])

    def test_alone_as_in_a_batch(self, detector: Detector, photos: list[Image]) -> None:
        """If this fails: what is found in a photo depends on the photos that come with it, for
        example because all are brought to the shape of the largest."""
        for photo, faces in zip(photos, detector(photos), strict=True):
            check_same(faces, detector([photo])[0])

    def test_again_the_same(self, detector: Detector, photos: list[Image]) -> None:
        """If this fails: something of one call stays for the next, such as the input's size."""
        first = detector(photos)
        detector(photos[::-1])
        for before, after in zip(first, detector(photos), strict=True):
            check_same(before, after)

    def test_from_another_thread(self, detector: Detector, photos: list[Image]) -> None:
        """If this fails: the detector works only in the thread that has made it."""
        with ThreadPoolExecutor(1) as other:
            answers = other.submit(detector, photos).result()
        for here, there in zip(detector(photos), answers, strict=True):
            check_same(here, there)

    @pytest.mark.parametrize(
        "height, width", [(1, 1), (5, 3), (1, 300), (300, 1), (2, 3000), (31, 33)]
    )
    def test_odd_sizes(self, detector: Detector, height: int, width: int) -> None:
        """If this fails: a photo too small or too narrow for the network is an error; what cannot
        hold a face has none."""
        photo = grey_noise(height, width)
        [faces] = detector([photo])
        check_boxes(photo, faces)

    def test_working_size(self, detector: Detector) -> None:
        """If this fails: `working_size` is no number of pixels."""
        size = getattr(detector, "working_size", None)
        assert size is None or (isinstance(size, int) and size > 0)

    def test_licence(self, detector: Detector) -> None:
        """If this fails: `licence` is not an SPDX id, or None where the weights state none."""
        from facenet.spdx import checked_licence

        licence = getattr(detector, "licence", None)
        assert licence is None or checked_licence(licence) == licence


def drawn_photo() -> Image:
    """(150, 290, 3) uint8 RGB: two drawn faces on grey, 120 and 90 pixels high."""
    from facenet.drawn_faces import draw_face

    photo = np.full((150, 290, 3), 128, np.uint8)
    photo[10:130, 20:140] = np.asarray(draw_face(0, 0, size=120))
    photo[40:130, 170:260] = np.asarray(draw_face(3, 0, size=90))
    return photo


def grey_noise(height: int, width: int) -> Image:
    """(height, width, 3) uint8 in which nobody is seen."""
    grey = np.random.default_rng(0).integers(0, 256, (height, width, 1), np.uint8)
    return np.repeat(grey, 3, axis=2)


def check_boxes(photo: Image, faces: Sequence[Face]) -> None:
    """Each box lies inside the photo and holds some of it."""
    height, width = photo.shape[:2]
    for face in faces:
        x1, y1, x2, y2 = face.box
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height


def check_same(one: Sequence[Face], other: Sequence[Face]) -> None:
    """Two answers for one photo differ by no more than rounding."""
    assert len(one) == len(other)
    for face, twin in zip(one, other, strict=True):
        np.testing.assert_allclose(face.box, twin.box, rtol=0, atol=SAME_PIXELS)
        np.testing.assert_allclose(face.score, twin.score, rtol=0, atol=SAME_SCORE)
        assert (face.landmarks is None) == (twin.landmarks is None)
        if face.landmarks is not None and twin.landmarks is not None:
            np.testing.assert_allclose(face.landmarks, twin.landmarks, rtol=0, atol=SAME_PIXELS)


def _all_faces(detector: Detector, photos: Sequence[Image]) -> list[Face]:
    return [face for faces in detector(photos) for face in faces]
