"""The studio with real photos: what its page says, and what the gallery then holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

pytest.importorskip("gradio", reason="needs facenet-kit[studio]")
pytest.importorskip("cv2", reason="needs facenet-kit[yunet]")

from playwright.sync_api import Browser, Page

from facenet.config import load_config
from facenet.recognition import Recognizer

from .studios import PATIENCE, browser, field, give, go_to, press, studio, wait_for

THRESHOLD = 0.4


@pytest.fixture(scope="module")
def config(
    aligned_bundle: Path, real_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("studio") / "inference.yaml"
    path.write_text(
        f"checkpoint_path: {aligned_bundle}\ndevice: cpu\nthreshold: {THRESHOLD}\n"
        "keep_crops: true\n"
        f"detector: {{plugin: yunet, weights: {real_models}/face_detection_yunet_2023mar.onnx}}\n"
    )
    return path


@pytest.fixture(scope="module")
def people(lfw: Path) -> dict[str, list[Path]]:
    """Photos of eight people who have at least five."""
    found: dict[str, list[Path]] = {}
    for folder in sorted(lfw.iterdir()):
        photos = sorted(folder.glob("*.jpg"))
        if len(photos) >= 5:
            found[folder.name] = photos
        if len(found) == 8:
            break
    return found


@pytest.fixture(scope="module")
def recognizer(config: Path) -> Iterator[Recognizer]:
    """The same gallery, from another process than the page's."""
    with Recognizer.from_config(load_config(config)) as recognizer:
        yield recognizer


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def address(chromium: Browser, config: Path) -> Iterator[str]:
    with studio(config) as running:
        yield running.address
        assert running.stop() == 0
        assert "Traceback" not in running.log.read_text()


@pytest.fixture
def page(chromium: Browser, address: str, recognizer: Recognizer) -> Iterator[Page]:
    """A visitor of an empty gallery."""
    for record in list(recognizer.store.identities()):
        recognizer.forget(record.identity)
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    yield page
    page.close()


def samples(recognizer: Recognizer, identity: str) -> int:
    record = recognizer.store.get(identity)
    return record.samples if record else 0


def side_by_side(path: Path, *photos: Path) -> Path:
    Image.fromarray(np.hstack([np.asarray(Image.open(photo)) for photo in photos])).save(path)
    return path


def test_a_person_is_registered_with_several_photos(page, recognizer, people) -> None:
    name, photos = next(iter(people.items()))
    give(page, "register-photos", photos[:2])
    field(page, "register-name").fill(name)
    press(page, "register-button")
    wait_for(page, "register-status", f"{name} is registered: 2 samples added, 2 in all.")
    assert samples(recognizer, name) == 2
    assert recognizer.identify(photos[2]).identity == name


def test_without_a_name_nobody_is_registered(page, recognizer, people) -> None:
    give(page, "register-photos", next(iter(people.values()))[:1])
    press(page, "register-button")
    wait_for(page, "register-status", "Type a name, and choose a face, first.")
    assert recognizer.store.count() == 0


def test_of_several_faces_the_chosen_one_is_registered(
    page, recognizer, people, tmp_path: Path
) -> None:
    (_, first), (name, second), *_ = people.items()
    give(page, "register-photos", [side_by_side(tmp_path / "both.png", first[0], second[0])])
    field(page, "register-name").fill(name)
    boxes = page.locator("#register-chosen input")
    boxes.first.wait_for()
    assert [boxes.nth(n).is_checked() for n in range(2)] == [True, False]
    probe = recognizer.embed([second[0]])[0]
    crops = recognizer.pipeline.crops(tmp_path / "both.png")
    alike = recognizer.pipeline.embed(crops) @ probe
    boxes.nth(int(np.argmax(alike))).check()
    press(page, "register-button")
    wait_for(page, "register-status", f"{name} is registered: 1 sample added")
    assert recognizer.identify(second[1]).identity == name


def test_choosing_a_face_leaves_out_the_other_of_its_photo(page, people, tmp_path: Path) -> None:
    first, second, *_ = people.values()
    give(page, "register-photos", [side_by_side(tmp_path / "both.png", first[0], second[0])])
    boxes = page.locator("#register-chosen input")
    boxes.nth(1).check()
    page.locator("#register-chosen input:checked").first.wait_for()
    page.wait_for_function(
        "document.querySelectorAll('#register-chosen input:checked').length === 1"
    )
    assert boxes.nth(1).is_checked()


def test_whoever_looks_like_someone_else_is_asked_about(page, recognizer, people) -> None:
    name, photos = next(iter(people.items()))
    recognizer.enrol(name, photos[:2])
    field(page, "register-name").fill("Somebody New")
    give(page, "register-photos", [photos[2]])
    press(page, "register-button")
    wait_for(page, "register-question", f"Face 1 looks like {name}, who is registered already")
    press(page, "register-no")
    page.locator("#register-question").wait_for(state="hidden")
    assert samples(recognizer, "Somebody New") == 0
    press(page, "register-button")
    press(page, "register-yes")
    wait_for(page, "register-status", "Somebody New is registered: 1 sample added, 1 in all.")
    assert samples(recognizer, "Somebody New") == 1


def test_a_name_that_exists_says_how_many_samples_it_has(page, recognizer, people) -> None:
    name, photos = next(iter(people.items()))
    recognizer.enrol(name, photos[:3])
    field(page, "register-name").fill(name)
    give(page, "register-photos", [photos[3]])
    press(page, "register-button")
    wait_for(page, "register-question", f"{name} is registered already, with 3 samples")
    press(page, "register-yes")
    wait_for(page, "register-status", f"{name} is registered: 1 sample added, 4 in all.")
    assert samples(recognizer, name) == 4


def test_a_blurred_face_cannot_be_registered_and_says_why(page, people, tmp_path: Path) -> None:
    photo = Image.open(next(iter(people.values()))[0]).filter(ImageFilter.GaussianBlur(3))
    photo.save(tmp_path / "blurred.png")
    field(page, "register-name").fill("Blurred")
    give(page, "register-photos", [tmp_path / "blurred.png"])
    wait_for(page, "register-faces", "Not good enough: the face is blurred")
    assert page.locator("#register-button").is_disabled()


def test_a_photo_without_a_face_says_so(page, tmp_path: Path) -> None:
    Image.new("RGB", (200, 200), "teal").save(tmp_path / "wall.png")
    give(page, "register-photos", [tmp_path / "wall.png"])
    wait_for(page, "register-status", "wall.png: no face found.")


def test_a_turned_photo_of_a_phone_is_set_upright(page, people, tmp_path: Path) -> None:
    photo = Image.open(next(iter(people.values()))[0])
    turned = photo.resize((3500, 3500)).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "phone.jpg", exif=exif)
    give(page, "register-photos", [tmp_path / "phone.jpg"])
    wait_for(page, "register-faces", "Good enough to be registered.")


def test_two_photos_of_one_person_are_found_alike(page, recognizer, people) -> None:
    photos = next(iter(people.values()))
    go_to(page, "Verify")
    give(page, "verify-first", [photos[0]])
    give(page, "verify-second", [photos[1]])
    press(page, "verify-button")
    text = wait_for(page, "verify-result", "Alike enough to be taken for the same person")
    similarity = recognizer.verify(*photos[:2]).similarity
    assert f"{similarity:.4f}, reaches the threshold, {THRESHOLD:.4f} (configured)" in text


def test_photos_of_two_people_are_not(page, people) -> None:
    first, second, *_ = people.values()
    go_to(page, "Verify")
    give(page, "verify-first", [first[0]])
    give(page, "verify-second", [second[0]])
    press(page, "verify-button")
    wait_for(page, "verify-result", "Not enough alike to be taken for the same person")


def test_of_the_faces_of_a_photo_those_who_are_known_are_named(
    page, recognizer, people, tmp_path: Path
) -> None:
    (name, first), (_, second), *_ = people.items()
    recognizer.enrol(name, first[:2])
    go_to(page, "Search")
    give(page, "search-photo", [side_by_side(tmp_path / "both.png", first[2], second[2])])
    press(page, "search-button")
    wait_for(page, "search-result", f": {name}")
    titles = page.locator("#search-result h2").all_inner_texts()
    assert sorted(title.partition(": ")[2] for title in titles) == sorted([name, "unknown"])
    assert page.locator("#search-result .match img").count() == 2  # a kept face beside each name


def test_deleting_names_whom_and_asks_first(page, recognizer, people) -> None:
    (name, photos), (other, others), *_ = people.items()
    recognizer.enrol(name, photos[:3])
    recognizer.enrol(other, others[:1])
    go_to(page, "Gallery")
    page.get_by_role("button", name=f"Delete {name}").click()
    wait_for(page, "gallery-question", f"Delete {name} and 3 samples, for good?")
    assert samples(recognizer, name) == 3
    press(page, "gallery-delete")
    wait_for(page, "gallery-status", f"{name} and 3 samples were deleted.")
    assert [record.identity for record in recognizer.store.identities()] == [other]


def test_keeping_someone_keeps_them(page, recognizer, people) -> None:
    name, photos = next(iter(people.items()))
    recognizer.enrol(name, photos[:1])
    go_to(page, "Gallery")
    page.get_by_role("button", name=f"Delete {name}").click()
    press(page, "gallery-no")
    page.locator("#gallery-question").wait_for(state="hidden")
    assert samples(recognizer, name) == 1
