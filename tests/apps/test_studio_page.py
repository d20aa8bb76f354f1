"""The studio's page and service with drawn faces: who may see it, and what it keeps to itself."""

from __future__ import annotations

import json
import os
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

pytest.importorskip("gradio", reason="needs facenet-kit[studio]")

from playwright.sync_api import Browser, BrowserContext, Page

from facenet.config import load_config
from facenet.recognition import Recognizer

from .studios import PATIENCE, Running, browser, field, give, go_to, press, studio, wait_for

USER, PASSWORD = "ann", "blue:horse"
TABS = ("Register", "Verify", "Search", "Gallery", "Report")


@pytest.fixture(scope="module")
def config(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studio")
    (folder / "evaluation.html").write_text("<h1>How well it tells people apart</h1>")
    path = folder / "inference.yaml"
    path.write_text(
        f"checkpoint_path: {trained / 'bundle'}\ndevice: cpu\nquality: off\nfrontends:\n"
        f"  studio: {{auth: '${{STUDIO_AUTH}}', report: {folder}/evaluation.html}}\n"
    )
    return path


@pytest.fixture(scope="module")
def recognizer(config: Path) -> Iterator[Recognizer]:
    """The same gallery, from another process than the page's."""
    os.environ["STUDIO_AUTH"] = f"{USER}:{PASSWORD}"
    with Recognizer.from_config(load_config(config)) as recognizer:
        yield recognizer
    del os.environ["STUDIO_AUTH"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def running(chromium: Browser, config: Path) -> Iterator[Running]:
    with studio(config, STUDIO_AUTH=f"{USER}:{PASSWORD}") as running:
        yield running


@pytest.fixture
def visitor(
    chromium: Browser, running: Running, recognizer: Recognizer
) -> Iterator[BrowserContext]:
    """Someone who has logged in, and finds an empty gallery."""
    for record in list(recognizer.store.identities()):
        recognizer.forget(record.identity)
    context = chromium.new_context(base_url=running.address)
    context.set_default_timeout(PATIENCE)
    context.request.post("/login", form={"username": USER, "password": PASSWORD})
    yield context
    context.close()


@pytest.fixture
def page(visitor: BrowserContext) -> Page:
    page = visitor.new_page()
    page.goto("/")
    return page


def drawn(faces: Path, person: int, picture: int) -> Path:
    return faces / f"id-{person:03d}" / f"{picture:03d}.jpg"


def test_only_who_knows_the_password_comes_in(chromium: Browser, running: Running) -> None:
    page = chromium.new_page(base_url=running.address)
    page.set_default_timeout(PATIENCE)
    page.goto("/")
    for password, seen in (("wrong", "Incorrect"), (PASSWORD, "Register people")):
        page.get_by_label("username").fill(USER)
        page.get_by_label("password").fill(password)
        page.get_by_role("button", name="Login").click()
        page.get_by_text(seen).first.wait_for()
    page.close()


@pytest.mark.parametrize("path", ["/config", "/gradio_api/info", "/gradio_api/file=/etc/hostname"])
def test_nothing_is_told_to_others(running: Running, path: str) -> None:
    assert httpx.get(running.address + path).status_code == 401


def test_the_password_is_shown_nowhere(facenet, config: Path, recognizer, running) -> None:
    assert PASSWORD not in facenet("config", "show", "inference", "--config", config).out
    assert PASSWORD not in running.log.read_text()


def test_an_empty_gallery_says_what_to_do_first(page: Page, faces: Path) -> None:
    go_to(page, "Gallery")
    wait_for(page, "gallery-people", "Nobody is registered yet: begin in the tab Register.")
    go_to(page, "Search")
    give(page, "search-photo", [drawn(faces, 0, 0)])
    press(page, "search-button")
    wait_for(page, "search-status", "Nobody is registered yet: begin in the tab Register.")


def test_with_photos_that_are_whole_faces_the_page_says_so(page: Page) -> None:
    page.get_by_text("Each photo is taken for one cropped face").wait_for()


def test_a_file_that_is_no_photo_says_so(page: Page, tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("Dear Ann")
    give(page, "register-photos", [tmp_path / "letter.jpg"])
    wait_for(page, "register-status", "letter.jpg: not an image in a known format")
    go_to(page, "Verify")
    for name in ("verify-first", "verify-second"):
        give(page, name, [tmp_path / "letter.jpg"])
    press(page, "verify-button")
    wait_for(page, "verify-status", "letter.jpg: not an image in a known format")


def test_a_calibrated_threshold_says_what_it_was_measured_on(page: Page, faces: Path) -> None:
    go_to(page, "Verify")
    for name in ("verify-first", "verify-second"):
        give(page, name, [drawn(faces, 0, 0)])
    press(page, "verify-button")
    text = wait_for(page, "verify-result", "calibrated: FAR")
    assert "the same person" in text
    assert "1 in " in text


def test_names_are_text_and_no_markup(page: Page, recognizer: Recognizer, faces: Path) -> None:
    name = "<script>document.title='taken over'</script>${document.title=1}{{value}}<b>Ann</b>"
    recognizer.enrol(name, [drawn(faces, 0, 0)], metadata={"<i>team</i>": "<img src=x>"})
    go_to(page, "Gallery")
    assert name in wait_for(page, "gallery-people", "<b>Ann</b>")
    go_to(page, "Search")
    give(page, "search-photo", [drawn(faces, 0, 0)])
    press(page, "search-button")
    wait_for(page, "search-result", "<b>Ann</b>")
    assert page.title() == "facenet studio"
    assert page.locator("#gallery-people i, #gallery-people .about img").count() == 0


def test_the_gallery_finds_names_and_turns_pages(
    page: Page, recognizer: Recognizer, faces: Path
) -> None:
    embedding = recognizer.embed([drawn(faces, 0, 0)])
    for number in range(30):
        recognizer.store.enrol(f"person {number:02d}", embedding)
    go_to(page, "Gallery")
    wait_for(page, "gallery-people", "person 23")
    press(page, "gallery-next")
    assert "person 23" not in wait_for(page, "gallery-people", "person 29")
    field(page, "gallery-filter").fill("ON 07")
    wait_for(page, "gallery-people", "person 07")
    page.wait_for_function("document.querySelectorAll('#gallery-people .card').length === 1")


def test_mistakes_are_found_and_put_right(page: Page, recognizer: Recognizer, faces: Path) -> None:
    for name, pictures in {"Ann": (0, 1), "Anna": (2,), "Bob": ()}.items():
        photos = [drawn(faces, 0, picture) for picture in pictures] or [drawn(faces, 1, 0)]
        recognizer.enrol(name, photos)
    store: Any = recognizer.store
    [*_, stranger] = store.holdings("Ann")
    go_to(page, "Gallery")
    page.get_by_text("Put it right").click()
    press(page, "care-duplicates")
    assert "Anna" in wait_for(page, "care-found", "may be")
    person, other, samples = (
        field(page, f"care-{name}") for name in ("person", "other", "samples")
    )
    person.fill("Anna")
    other.fill("Ann")
    press(page, "care-merge")
    wait_for(page, "gallery-status", "1 sample of Anna moved to Ann; Anna is gone.")
    person.fill("Ann")
    press(page, "care-list")
    wait_for(page, "care-found", f"{stranger.number}")
    other.fill("Bob")
    samples.fill("the last")
    press(page, "care-move")
    wait_for(page, "gallery-status", "samples 'the last': give their numbers")
    samples.fill(f"{stranger.number}")
    press(page, "care-move")
    wait_for(page, "gallery-status", "1 sample of Ann moved to Bob.")
    assert [store.get(name).samples for name in ("Ann", "Bob")] == [2, 2]
    press(page, "care-undo")
    wait_for(page, "gallery-status", "of the log is undone.")
    assert [store.get(name).samples for name in ("Ann", "Bob")] == [3, 1]
    press(page, "care-log")
    wait_for(page, "care-found", "undo of")
    person.fill("Bob")
    other.fill("Robert")
    press(page, "care-rename")
    wait_for(page, "gallery-people", "Robert")
    press(page, "care-mix-ups")
    wait_for(page, "care-found", "the others")


def test_what_is_enrolled_is_taken_back_by_number(
    page: Page, recognizer: Recognizer, faces: Path
) -> None:
    recognizer.enrol("Ann", [drawn(faces, 0, picture) for picture in range(3)])
    recognizer.enrol("Bob", [drawn(faces, 1, 0)])
    store: Any = recognizer.store
    first, second, third = (one.number for one in store.holdings("Ann"))
    go_to(page, "Gallery")
    page.get_by_text("Put it right").click()
    field(page, "care-person").fill("Ann")
    field(page, "care-samples").fill(f"{first}, {third}")
    for answer in ("care-no", "care-yes"):
        press(page, "care-erase")
        wait_for(page, "care-question", f"Erase 2 samples of Ann, for good: {first}, {third}?")
        assert store.get("Ann").samples == 3
        press(page, answer)
        page.locator("#care-question").wait_for(state="hidden")
    wait_for(page, "gallery-status", "2 samples of Ann erased.")
    assert [one.number for one in store.holdings("Ann")] == [second]
    [_, enrolled, *_] = store.history()
    assert (enrolled.action, enrolled.identity) == ("enrol", "Bob")
    press(page, "care-undo")
    wait_for(page, "gallery-status", f"the last change, entry {enrolled.number}, has enrolled")
    press(page, "care-log")
    wait_for(page, "care-found", "can be undone")
    for number, said in {"last": "give its number", enrolled.number: "is undone."}.items():
        field(page, "care-entry").fill(f"{number}")
        press(page, "care-undo")
        wait_for(page, "gallery-status", said)
    assert store.get("Bob") is None


def test_a_person_gets_what_is_held_on_them(
    page: Page, recognizer: Recognizer, faces: Path, tmp_path: Path
) -> None:
    recognizer.enrol("Ann / Lee", [drawn(faces, 0, 0)])
    go_to(page, "Gallery")
    page.get_by_text("Put it right").click()
    field(page, "care-person").fill("Ann")
    press(page, "care-export-person")
    wait_for(page, "gallery-status", "'Ann' is not in the gallery")
    field(page, "care-person").fill("Ann / Lee")
    press(page, "care-export-person")
    wait_for(page, "gallery-status", "identity.zip holds 1 sample: biometric data.")
    with page.expect_download() as download:
        page.locator("#care-exported a[download]").first.click()
    download.value.save_as(tmp_path / "identity.zip")
    with zipfile.ZipFile(tmp_path / "identity.zip") as archive:
        held = json.loads(archive.read("identity.json"))
    assert (held["identity"], len(held["samples"])) == ("Ann / Lee", 1)


def test_the_gallery_goes_through_a_file(
    page: Page, recognizer: Recognizer, faces: Path, tmp_path: Path
) -> None:
    recognizer.enrol("Ann", [drawn(faces, 0, 0)])
    go_to(page, "Gallery")
    page.get_by_text("Put it right").click()
    press(page, "care-export")
    wait_for(page, "gallery-status", "gallery.jsonl holds 1 sample")
    with page.expect_download() as download:
        page.locator("#care-exported a[download]").first.click()
    download.value.save_as(tmp_path / "gallery.jsonl")
    recognizer.forget("Ann")
    give(page, "care-import", [tmp_path / "gallery.jsonl"])
    wait_for(page, "gallery-status", "1 of 1 sample added.")
    wait_for(page, "gallery-people", "Ann")


def test_the_report_shows_the_model_and_its_evaluation(page: Page, recognizer: Recognizer) -> None:
    go_to(page, "Report")
    text = wait_for(page, "report-model", recognizer.model.card.space)
    assert "Licence of the weights" in text
    assert "False accept rate" in text
    inside = page.frame_locator("#report-evaluation iframe")
    inside.get_by_text("How well it tells people apart").wait_for()


def test_a_phones_width_is_wide_enough(visitor: BrowserContext, recognizer, faces: Path) -> None:
    recognizer.enrol("Somebody with a rather long name and no-hyphen" * 2, [drawn(faces, 0, 0)])
    page = visitor.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    give(page, "register-photos", [drawn(faces, 0, 0), drawn(faces, 0, 1)])
    wait_for(page, "register-faces", "Face 2")
    go_to(page, "Verify")
    for name in ("verify-first", "verify-second"):
        give(page, name, [drawn(faces, 0, 0)])
    press(page, "verify-button")
    wait_for(page, "verify-result", "similarity")
    go_to(page, "Search")
    give(page, "search-photo", [drawn(faces, 0, 0)])
    press(page, "search-button")
    wait_for(page, "search-result", "Face 1")
    for tab in TABS:
        go_to(page, tab)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab


def test_nothing_is_asked_of_other_hosts(visitor: BrowserContext, faces: Path) -> None:
    asked: list[str] = []
    visitor.on("request", lambda request: asked.append(request.url))
    page = visitor.new_page()
    page.goto("/")
    give(page, "register-photos", [drawn(faces, 0, 0)])
    wait_for(page, "register-faces", "Face 1")
    for tab in TABS:
        go_to(page, tab)
    page.frame_locator("#report-evaluation iframe").get_by_role("heading").wait_for()
    hosts = {urlsplit(url).hostname for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {"127.0.0.1"}


@pytest.mark.parametrize("path", ["/etc/hostname", "http://127.0.0.1:9/photo.jpg"])
def test_only_what_was_uploaded_is_read(visitor: BrowserContext, path: str) -> None:
    """As a program would ask that speaks to the page's own addresses."""
    config = visitor.request.get("/config").json()
    names = {
        component["id"]: component["props"].get("elem_id") for component in config["components"]
    }
    [search] = [
        handler["id"]
        for handler in config["dependencies"]
        if [names[part] for part in handler["inputs"]]
        == ["search-photo", "search-top-k", "search-min"]
    ]
    photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
    visitor.request.post(
        "/gradio_api/queue/join",
        data={"fn_index": search, "data": [photo, 5, -1], "session_hash": "program"},
    )
    answer = visitor.request.get("/gradio_api/queue/data?session_hash=program").text()
    assert "only files that were uploaded here are read" in answer


def test_no_address_is_fetched_for_a_visitor(visitor: BrowserContext) -> None:
    assert visitor.request.get("/gradio_api/file=http://example.org/").status == 404


def test_a_gallery_whose_server_died_is_there_with_the_next_search(
    page: Page, config: Path, recognizer: Recognizer, faces: Path
) -> None:
    recognizer.enrol("Ann", [drawn(faces, 0, 0)])
    go_to(page, "Search")
    give(page, "search-photo", [drawn(faces, 0, 0)])
    recognizer.close()
    postmaster = config.parent / ".facenet" / "postgres" / "postmaster.pid"
    os.kill(int(postmaster.read_text().splitlines()[0]), signal.SIGKILL)
    press(page, "search-button")
    wait_for(page, "search-result", "Ann")


def test_it_stops_while_a_page_is_open_and_leaves_no_upload(
    page: Page, running: Running, faces: Path
) -> None:
    give(page, "register-photos", [drawn(faces, 0, 0)])
    picture = page.locator("#register-photos img").first
    picture.wait_for()
    upload = Path(urlsplit(picture.get_attribute("src") or "").path.partition("file=")[2])
    assert upload.is_file()
    assert running.stop() == 0
    assert not upload.exists()
    assert not upload.parents[1].exists()
    assert "Traceback" not in running.log.read_text()
