"""`facenet align`: one aligned face of every image, once."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage
from pydantic import BaseModel, ConfigDict

import facenet_whole_image
from facenet.aligning import AlignReport, align_folder
from facenet.config import InferenceConfig, parse_config
from facenet.data import open_cache, scan_folder
from facenet.errors import DataError, FacenetError
from facenet.hookspecs import hookimpl
from facenet.imaging import decode, image_files
from facenet.imaging.alignment import TEMPLATE
from facenet.models import alignment_of
from facenet.recognition.cropping import Cropper
from facenet.types import Face, PluginInfo

if TYPE_CHECKING:
    from facenet.types import Image

YUNET = "face_detection_yunet_2023mar.onnx"
SIZE = 24


class Options(BaseModel):
    """Of the stand-in."""

    model_config = ConfigDict(extra="forbid")

    weights: Path | None = None
    confidence: float = 0.5


class StandIn:
    """A detector that sees one face with landmarks in every image that is not of one colour."""

    licence = "MIT"

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, images: Sequence[Image]) -> list[list[Face]]:
        self.seen += len(images)
        return [[] if np.ptp(image) == 0 else [self.face(image)] for image in images]

    def face(self, image: Image) -> Face:
        height, width = image.shape[:2]
        landmarks = (TEMPLATE * (width / 112)).astype(np.float32)
        return Face((1.0, 1.0, width - 1.0, height - 1.0), 0.9, landmarks)


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """What the name `whole_image` stands for in this test."""
    made = StandIn()

    @hookimpl
    def facenet_info() -> PluginInfo:
        return PluginInfo("A stand-in", "MIT", options=Options)

    @hookimpl
    def make_detector() -> StandIn:
        return made

    monkeypatch.setattr(facenet_whole_image, "facenet_info", facenet_info)
    monkeypatch.setattr(facenet_whole_image, "make_detector", make_detector)
    return made


@pytest.fixture
def photos(faces: Path, tmp_path: Path) -> Path:
    """Four people with three images each."""
    root = tmp_path / "photos"
    for number in range(4):
        (root / f"id-{number:03}").mkdir(parents=True)
        for name in ("000.jpg", "001.jpg", "002.jpg"):
            shutil.copy2(faces / f"id-{number:03}" / name, root / f"id-{number:03}" / name)
    return root


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "aligned"


def align(root: Path, output: Path, *overrides: str, **options: Any) -> AlignReport:
    values = {"checkpoint_path": "none", "detector": "whole_image", "device": "cpu"}
    config = parse_config(values, InferenceConfig, overrides=overrides)
    return align_folder(root, output, config, **{"size": SIZE, **options})


def snapshot(output: Path) -> dict[str, int]:
    """When each aligned face was written."""
    return {
        path.relative_to(output).as_posix(): path.stat().st_mtime_ns
        for path in output.glob("*/**/*.png")
    }


def left_out(output: Path) -> list[tuple[str, str]]:
    with (output / "left_out.csv").open(newline="") as file:
        return [(row["image"], row["reason"]) for row in csv.DictReader(file)]


def blank(path: Path) -> None:
    PillowImage.new("RGB", (48, 48), "grey").save(path)


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize("alignment", ["none", "square", "five-point"])
def test_every_image_becomes_a_png_of_the_size(photos: Path, output: Path, alignment: Any) -> None:
    report = align(photos, output, alignment=alignment)
    assert (report.images, report.aligned, report.kept, report.left_out) == (12, 12, 0, ())
    expected = {f"id-{person:03}/{image:03}.png" for person in range(4) for image in range(3)}
    assert snapshot(output).keys() == expected
    assert {decode(output / name).shape for name in expected} == {(SIZE, SIZE, 3)}
    assert alignment_of(output) == alignment


def test_the_faces_are_the_pixels_that_recognition_would_see(
    photos: Path, output: Path, detector: StandIn
) -> None:
    align(photos, output)
    config = parse_config({"checkpoint_path": "none"}, InferenceConfig)
    cropper = Cropper(detector, config, "five-point", SIZE)
    for image in ("id-000/000", "id-003/002"):
        seen = cropper.best_crop(photos / f"{image}.jpg").pixels
        assert np.array_equal(decode(output / f"{image}.png"), seen)


def test_folders_below_an_identity_are_kept(photos: Path, output: Path, detector: StandIn) -> None:
    (photos / "id-000" / "party").mkdir()
    (photos / "id-000" / "000.jpg").rename(photos / "id-000" / "party" / "000.jpg")
    align(photos, output)
    assert "id-000/party/000.png" in snapshot(output)


def test_the_command_needs_no_configuration_and_takes_yunet(
    facenet, photos: Path, output: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FACENET_CACHE", str(tmp_path / "empty"))
    ran = facenet("align", "--data", photos, "--output", output)
    assert ran.code == 2
    assert ran.err.splitlines()[-1].endswith("fetch it with: facenet models get yunet")
    assert not output.exists()


def test_the_command_takes_the_detector_of_a_configuration(
    facenet, photos: Path, output: Path, tmp_path: Path
) -> None:
    config = tmp_path / "inference.yaml"
    config.write_text("checkpoint_path: not/there\ndetector: whole_image\n")
    ran = facenet(
        *("align", "--data", photos, "--output", output, "--config", config),
        *("--alignment", "square", "--size", SIZE),
    )
    assert ran.code == 0, ran.err
    assert f"{output}: 12 of 12 images aligned" in ran.out
    assert "taken for" not in ran.out
    record = json.loads((output / "alignment.json").read_text())
    assert (record["alignment"], record["size"]) == ("square", SIZE)
    assert record["detector"] == "whole_image"


@pytest.mark.usefixtures("detector")
def test_what_is_left_out_is_listed_with_its_reason(facenet, photos: Path, output: Path) -> None:
    blank(photos / "id-001" / "wall.png")
    (photos / "id-002" / "broken.jpg").write_bytes(b"no image")
    arguments = ("align", "--data", photos, "--output", output, "--set", "detector=whole_image")
    for _ in range(2):
        ran = facenet(*arguments)
        assert ran.code == 0, ran.err
        (first, none), (second, broken) = left_out(output)
        assert (first, none) == ("id-001/wall.png", "no face found")
        assert second == "id-002/broken.jpg"
        assert broken.startswith("not an image in a known format")
        assert "2 images left out:" in ran.err
        assert "id-001/wall.png: no face found" in ran.err
    assert "0 of 14 images aligned, 12 were already" in ran.out
    assert facenet(*arguments, "--json").json() == {
        "images": 14,
        "aligned": 0,
        "kept": 12,
        "several_faces": 0,
        "without_image": 0,
        "left_out": [
            {"image": first, "reason": none},
            {"image": second, "reason": broken},
        ],
    }


def test_running_again_does_nothing_twice(photos: Path, output: Path, detector: StandIn) -> None:
    blank(photos / "id-001" / "wall.png")
    align(photos, output)
    before, seen = snapshot(output), detector.seen
    report = align(photos, output)
    assert (report.aligned, report.kept, len(report.left_out)) == (0, 12, 1)
    assert (snapshot(output), detector.seen) == (before, seen)


def test_only_what_is_new_or_changed_or_gone_is_done(
    photos: Path, output: Path, detector: StandIn
) -> None:
    align(photos, output)
    before, seen = snapshot(output), detector.seen
    shutil.copy(photos / "id-000" / "000.jpg", photos / "id-000" / "new.jpg")
    shutil.copy(photos / "id-002" / "000.jpg", photos / "id-001" / "000.jpg")
    (output / "id-003" / "000.png").unlink()
    report = align(photos, output)
    assert (report.aligned, report.kept, detector.seen - seen) == (3, 10, 3)
    after = snapshot(output)
    assert {name for name in after if after[name] != before.get(name)} == {
        "id-000/new.png",
        "id-001/000.png",
        "id-003/000.png",
    }


@pytest.mark.usefixtures("detector")
def test_an_image_that_no_longer_shows_a_face_loses_its_own(photos: Path, output: Path) -> None:
    align(photos, output)
    blank(photos / "id-001" / "000.jpg")
    (photos / "id-002" / "000.jpg").write_bytes(b"broken")
    report = align(photos, output)
    assert [each.image for each in report.left_out] == ["id-001/000.jpg", "id-002/000.jpg"]
    assert not (output / "id-001" / "000.png").exists()
    assert not (output / "id-002" / "000.png").exists()


@pytest.mark.usefixtures("detector")
def test_faces_whose_image_is_gone_are_kept_and_told(facenet, photos: Path, output: Path) -> None:
    arguments = ("align", "--data", photos, "--output", output, "--set", "detector=whole_image")
    assert facenet(*arguments).code == 0
    shutil.rmtree(photos / "id-003")
    assert "3 faces in" in facenet(*arguments).out
    shutil.rmtree(output / "id-003")
    assert "3 faces in" not in facenet(*arguments).out


def test_an_interrupted_run_keeps_what_it_finished(
    photos: Path, output: Path, detector: StandIn
) -> None:
    def stop(done: int, images: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        align(photos, output, "batch_size=1", progress=stop)
    before, seen = snapshot(output), detector.seen
    assert 5 <= len(before) < 12
    assert not list(output.rglob("*.partial"))
    told: list[tuple[int, int]] = []
    report = align(photos, output, progress=lambda *done: told.append(done))
    assert (report.kept, report.aligned) == (len(before), 12 - len(before))
    assert detector.seen - seen == 12 - len(before)
    assert {name: snapshot(output)[name] for name in before} == before
    assert (told[0], told[-1]) == ((len(before), 12), (12, 12))


def test_what_a_killed_run_left_half_is_done_again(
    photos: Path, output: Path, detector: StandIn
) -> None:
    align(photos, output)
    before, seen = snapshot(output), detector.seen
    journal = output / "images.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    (output / "id-000" / ".000.png.partial").write_bytes(b"half")
    report = align(photos, output)
    assert (report.aligned, report.kept, detector.seen - seen) == (1, 11, 1)
    assert snapshot(output).keys() == before.keys()
    assert align(photos, output).kept == 12


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize(
    ("overrides", "options", "change"),
    [
        ((), {"size": 32}, "size was 24, is 32"),
        ((), {"alignment": "square"}, "alignment was five-point, is square"),
        (("detector.confidence=0.7",), {}, "detector.confidence was 0.5, is 0.7"),
        (("detection_threshold=0.1",), {}, "detection_threshold was 0.0, is 0.1"),
    ],
)
def test_a_changed_setting_is_refused_and_nothing_is_touched(
    photos: Path, output: Path, overrides: tuple[str, ...], options: dict[str, Any], change: str
) -> None:
    align(photos, output)
    before = snapshot(output)
    with pytest.raises(DataError, match=r"choose another output$") as refused:
        align(photos, output, *overrides, **options)
    assert f"({change})" in str(refused.value)
    assert snapshot(output) == before


@pytest.mark.usefixtures("detector")
def test_weights_are_known_by_their_content(photos: Path, output: Path, tmp_path: Path) -> None:
    first, moved, other = (tmp_path / name for name in ("a.onnx", "b.onnx", "c.onnx"))
    first.write_bytes(b"one")
    moved.write_bytes(b"one")
    other.write_bytes(b"two")
    align(photos, output, f"detector.weights={first}")
    assert align(photos, output, f"detector.weights={moved}").kept == 12
    with pytest.raises(DataError, match=r"detector\.weights was sha256:\w+, is sha256:\w+"):
        align(photos, output, f"detector.weights={other}")


@pytest.mark.usefixtures("detector")
def test_another_detector_is_refused(
    photos: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    align(photos, output)
    record = json.loads((output / "alignment.json").read_text())
    (output / "alignment.json").write_text(json.dumps({**record, "detector": "yolo"}))
    with pytest.raises(DataError, match="detector was yolo, is whole_image"):
        align(photos, output)


@pytest.mark.usefixtures("detector")
def test_images_of_one_stem_have_a_face_each(photos: Path, output: Path) -> None:
    shutil.copy(photos / "id-001" / "000.jpg", photos / "id-000" / "000.jpeg")
    align(photos, output)
    other = decode(output / "id-000" / "000.png")
    assert not np.array_equal(other, decode(output / "id-000" / "000.jpg.png"))
    assert np.array_equal(other, decode(output / "id-001" / "000.png"))


NAMES = st.sets(
    st.tuples(st.sampled_from(["a", "a.jpg", "a.png"]), st.sampled_from(["jpg", "png", "bmp"])),
    min_size=1,
    max_size=6,
)


@settings(max_examples=20, deadline=None)
@given(first=NAMES, later=NAMES)
def test_a_face_keeps_its_file_whatever_comes_beside_it(
    first: set[tuple[str, str]], later: set[tuple[str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root, output = Path(scratch, "photos"), Path(scratch, "aligned")
        (root / "id").mkdir(parents=True)
        faces: dict[str, int] = {}
        for names in (first, later):
            for number, (stem, suffix) in enumerate(sorted(names), start=len(faces)):
                path = root / "id" / f"{stem}.{suffix}"
                if path.name not in faces:
                    PillowImage.new("RGB", (9, 9), (number, 0, 0)).save(path.with_suffix(".ppm"))
                    path.with_suffix(".ppm").rename(path)
                    faces[path.name] = number
            align(root, output, alignment="none")
            found = {int(decode(output / name)[0, 0, 0]): name for name in snapshot(output)}
            assert sorted(found) == sorted(faces.values())
            if names is first:
                before = found
        assert before.items() <= found.items()


def test_a_place_that_cannot_be_the_output_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lies in .*photos, whose images are read"):
        align(photos, photos / "aligned")
    with pytest.raises(DataError, match="no folder of aligned faces; choose another output"):
        align(photos, tmp_path)
    with pytest.raises(DataError, match=r"all images lie directly in it; expected"):
        align(tmp_path / "photos" / "id-000", tmp_path / "aligned")
    assert not (photos / "aligned").exists()


def test_a_detector_without_landmarks_cannot_align_by_them(
    facenet, photos: Path, output: Path, detector: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "face", lambda image: Face((1.0, 1.0, 40.0, 40.0), 0.9))
    ran = facenet(*("align", "--data", photos, "--output", output, "--set", "detector=whole_image"))
    assert ran.code == 2
    assert "the detector gives no landmarks: use one that does, such as yunet" in ran.err


def test_a_licence_that_is_not_allowed_is_refused(
    photos: Path, output: Path, detector: StandIn
) -> None:
    with pytest.raises(FacenetError, match=r"detector whole_image -> MIT: not in licences.allow"):
        align(photos, output, "licences.allow=[Apache-2.0]")
    assert not output.exists()
    align(photos, output, "licences.allow=[MIT]")


@pytest.mark.usefixtures("detector")
def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(
    photos: Path, output: Path, full_disk
) -> None:
    expected = r"\.png: cannot be written: File too large"
    with full_disk(300), pytest.raises(FacenetError, match=expected):
        align(photos, output)
    assert not list(output.glob("*/*"))


@pytest.mark.usefixtures("detector")
def test_the_contact_sheet_is_no_image_of_the_folder(photos: Path, output: Path) -> None:
    align(photos, output)
    with PillowImage.open(output / "contact_sheet.jpg") as sheet:
        width, height = sheet.size
    assert width > 3 * 96
    assert height > 4 * 96
    assert len(image_files(output)) == len(image_files(output.parent)) - 12 == 12
    assert len(scan_folder(output).samples) == 12


@pytest.mark.usefixtures("detector")
def test_the_image_cache_notices_that_a_face_was_aligned_anew(
    photos: Path, output: Path, tmp_path: Path
) -> None:
    def pixels() -> Any:
        cache = open_cache(output, tmp_path / "cache", image_size=SIZE, precision="uint8")
        return cache.take(cache.rows([output / "id-001" / "000.png"]))

    align(photos, output)
    before = pixels().copy()
    shutil.copy(photos / "id-002" / "000.jpg", photos / "id-001" / "000.jpg")
    align(photos, output)
    assert not np.array_equal(pixels(), before)
