"""The pages of the HTTP service in a real browser: `/`, and the API's description at `/docs`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="needs facenet-kit[serve]")

from playwright.sync_api import Browser, BrowserContext, Locator, Page

from facenet.drawn_faces import draw_face

from .services import running
from .studios import PATIENCE, browser

MARKUP = "<b>Ann</b> <script>document.title = 'taken over'</script><img src=x onerror=alert(1)>"


def written(folder: Path, bundle: Path, more: str = "") -> Path:
    """A configuration of the service."""
    path = folder / "inference.yaml"
    settings = "device: cpu\nstore: memory\nquality: off\n"
    path.write_text(f"checkpoint_path: {bundle}\n{settings}{more}")
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def address(chromium: Browser, trained: Path, tmp_path_factory) -> Iterator[str]:
    """Of a service that asks for no key."""
    with running(written(tmp_path_factory.mktemp("page"), trained / "bundle")) as service:
        yield service.address


@pytest.fixture(scope="module")
def locked(chromium: Browser, trained: Path, tmp_path_factory) -> Iterator[tuple[str, str]]:
    """The address of a service that asks for a key, and a key that may do everything."""
    config = written(tmp_path_factory.mktemp("locked"), trained / "bundle")
    command = [sys.executable, "-m", "facenet", "serve", "--config", str(config), "keys", "add"]
    made = subprocess.run(
        [*command, "tester", "--role", "admin"], check=True, capture_output=True, text=True
    )
    with running(config) as service:
        yield service.address, made.stdout.strip()


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[BrowserContext]:
    """Someone whose browser finds nothing wrong, and asks nothing of other hosts."""
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE)
    wrong: list[str] = []
    context.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    context.on("weberror", lambda error: wrong.append(f"{error.error}"))
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    yield context
    context.close()
    # A browser itself reports an answer that says no.
    assert [text for text in wrong if "the server responded with a status of" not in text] == []
    web = [url for url in asked if not url.startswith(("data:", "blob:"))]
    assert {urlsplit(url).hostname for url in web} == {"127.0.0.1"}


@pytest.fixture
def page(visitor: BrowserContext, address: str) -> Page:
    forget_all(address)
    page = visitor.new_page()
    page.goto(address)
    return page


def forget_all(address: str) -> None:
    for record in httpx.get(f"{address}/v1/identities").json()["identities"]:
        httpx.delete(f"{address}/v1/identities/{record['identity']}").raise_for_status()


def enrol(address: str, name: str, photo: Path) -> None:
    files = [("images", photo.read_bytes())]
    answer = httpx.post(f"{address}/v1/identities", data={"identity": name}, files=files)
    assert answer.status_code == 201, answer.text


def drawn(faces: Path, person: int, picture: int = 0) -> Path:
    return faces / f"id-{person:03d}" / f"{picture:03d}.jpg"


def compare(page: Page, first: Path, second: Path) -> str:
    """What the page says of two photos."""
    form = page.locator("#verify")
    form.get_by_label("First photo").set_input_files(first)
    form.get_by_label("Second photo").set_input_files(second)
    form.locator("button").click()
    form.locator(".answer :not(.quiet)").first.wait_for()
    return form.locator(".answer").inner_text()


def search(page: Page, photo: Path) -> Locator:
    """What the page answers to a photo."""
    form = page.locator("#search")
    form.locator("input[type=file]").set_input_files(photo)
    form.locator("button").click()
    form.locator(".answer table, .answer .problem").first.wait_for()
    return form.locator(".answer")


def places(page: Page) -> list[tuple[float, float, float, float]]:
    """Where the boxes lie on the photo, in parts of it."""
    photo = page.locator("#search .frame img").bounding_box()
    assert photo is not None
    found = []
    for box in page.locator("#search .frame .box").all():
        inside = box.bounding_box()
        assert inside is not None
        left, top = inside["x"] - photo["x"], inside["y"] - photo["y"]
        right, bottom = left + inside["width"], top + inside["height"]
        wide, high = photo["width"], photo["height"]
        found.append((left / wide, top / high, right / wide, bottom / high))
    return found


def test_it_says_whether_two_photos_show_one_person(page: Page, faces: Path) -> None:
    said = compare(page, drawn(faces, 0), drawn(faces, 0))
    assert said.startswith("One person")
    assert "Similarity 1.000" in said
    assert re.search(r"Threshold -?\d\.\d{3} \(calibrated: FAR", said)


def test_it_says_when_they_show_two_people(
    chromium: Browser, trained: Path, faces: Path, tmp_path: Path
) -> None:
    strict = written(tmp_path, trained / "bundle", "threshold: 1\n")
    with running(strict) as service:
        page = chromium.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(service.address)
        said = compare(page, drawn(faces, 0), drawn(faces, 1))
        page.close()
    assert said.startswith("Two people")
    assert "Threshold 1.000 (configured)" in said


def test_a_search_draws_a_box_and_lists_names(page: Page, address: str, faces: Path) -> None:
    enrol(address, "Ann", drawn(faces, 0))
    enrol(address, "Ben", drawn(faces, 1))
    answer = search(page, drawn(faces, 0))
    assert answer.locator("caption").inner_text() == "Face 1: Ann"
    rows = answer.locator("tbody tr")
    assert rows.first.inner_text().split("\t") == ["Ann", "1.000"]
    assert rows.last.inner_text().startswith("Ben")
    assert np.allclose(places(page), [(0, 0, 1, 1)], atol=0.02)  # as whole_image says
    assert page.locator("#search .box").inner_text() == "1"


def test_each_face_of_a_photo_has_its_box_and_its_table(
    chromium: Browser, visitor: BrowserContext, trained: Path, real_models: Path, tmp_path: Path
) -> None:
    people = [Image.fromarray(np.asarray(draw_face(number, 0, size=216))) for number in (1, 4, 5)]
    group = Image.new("RGB", (3 * 216, 300))
    for place, person in enumerate(people):
        group.paste(person, (216 * place, 0))
        person.save(tmp_path / f"{place}.png")
    turned = Image.Exif()
    turned[0x112] = 6  # as a camera writes that was held upright
    group.rotate(90, expand=True).save(tmp_path / "group.jpg", exif=turned)
    weights = real_models / "face_detection_yunet_2023mar.onnx"
    detector = f"detector: {{plugin: yunet, weights: {weights}}}\nthreshold: 0.99\n"
    with running(written(tmp_path, trained / "bundle", detector)) as service:
        for place in range(3):
            enrol(service.address, f"person {place}", tmp_path / f"{place}.png")
        page = visitor.new_page()
        page.goto(service.address)
        answer = search(page, tmp_path / "group.jpg")
        assert answer.locator("table").count() == 3
        found = places(page)
    assert len(found) == 3
    for left, top, right, bottom in sorted(found):
        assert right - left < 0.34
        assert 0 <= top < 0.3
        assert 0.4 < bottom < 0.75
    assert [int(3 * (left + right) / 2) for left, _, right, _ in sorted(found)] == [0, 1, 2]


def test_names_are_text_and_no_markup(page: Page, address: str, faces: Path) -> None:
    enrol(address, MARKUP, drawn(faces, 0))
    answer = search(page, drawn(faces, 0))
    assert answer.locator("td").first.inner_text() == MARKUP
    assert answer.locator("b, script, img").count() == 0
    assert page.title() == "facenet"


def test_a_problem_is_said_in_words(page: Page, tmp_path: Path, faces: Path) -> None:
    (tmp_path / "letter.jpg").write_text("Dear Ann")
    words = "not an image in a known format"
    assert f"image: {words}" in search(page, tmp_path / "letter.jpg").inner_text()
    assert f"image_b: {words}" in compare(page, drawn(faces, 0), tmp_path / "letter.jpg")
    page.locator("#search input[type=file]").set_input_files(drawn(faces, 0))
    assert page.locator("#search .answer").inner_text() == ""


def test_a_service_that_went_away_is_said_in_words(
    page: Page, visitor: BrowserContext, faces: Path
) -> None:
    page.route("**/v1/search", lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>"))
    said = search(page, drawn(faces, 0)).inner_text()
    assert said == "The service does not answer as it should (502)."


def test_an_answer_does_not_outlive_its_question(page: Page, address: str, faces: Path) -> None:
    """Boxes of one photo are not drawn on the next, however late the answer."""
    late = []
    page.route("**/v1/search", lambda route: late.append(route))
    form = page.locator("#search")
    form.locator("input[type=file]").set_input_files(drawn(faces, 0))
    form.locator("button").click()
    form.get_by_text("Working...").wait_for()
    form.locator("input[type=file]").set_input_files(drawn(faces, 1))
    with page.expect_response("**/v1/search"):
        late[0].continue_()
    page.wait_for_timeout(300)
    assert form.locator(".box, table").count() == 0
    page.unroute("**/v1/search")
    form.locator("button").click()
    form.locator(".box").wait_for()


def test_the_key_is_sent_where_one_is_needed(
    visitor: BrowserContext, locked: tuple[str, str], faces: Path
) -> None:
    address, key = locked
    page = visitor.new_page()
    page.goto(address)
    photos = drawn(faces, 0), drawn(faces, 0)
    assert compare(page, *photos).startswith("An API key is needed: send an API key")
    field = page.get_by_label("API key")
    field.fill(f"{key[:-1]}")
    assert compare(page, *photos).startswith("The API key is not known")
    field.fill(f" {key} ")
    with page.expect_request("**/verify") as sent:
        assert compare(page, *photos).startswith("One person")
    assert sent.value.headers["authorization"] == f"Bearer {key}"
    assert key not in page.content()
    assert field.get_attribute("type") == "password"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phones_width_is_wide_enough(
    visitor: BrowserContext, address: str, faces: Path, scheme: str
) -> None:
    forget_all(address)
    enrol(address, "Somebody with a long name and no-hyphen" * 4, drawn(faces, 0))
    page = visitor.new_page()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(address)
    compare(page, drawn(faces, 0), drawn(faces, 1))
    answer = search(page, drawn(faces, 0))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    title = answer.locator("th").last.bounding_box()
    assert title is not None
    assert title["height"] < 50  # one line
    paper, ink = (
        sum(map(int, re.findall(r"\d+", page.evaluate(f"getComputedStyle(document.body).{what}"))))
        for what in ("backgroundColor", "color")
    )
    assert (paper > ink) == (scheme == "light")


def test_a_stranger_enrols_searches_and_forgets_at_docs(
    visitor: BrowserContext, locked: tuple[str, str], faces: Path
) -> None:
    """With nothing but a browser and a key."""
    address, key = locked
    page = visitor.new_page()
    page.goto(f"{address}/docs")
    page.locator(".btn.authorize").first.click()
    dialog = page.locator(".modal-ux")
    dialog.locator("input").first.fill(key)
    dialog.locator("button.authorize").first.click()
    dialog.locator(".btn-done").first.click()

    name = "Zoë/Ann"
    enrolment = operation(page, "identities-enrol")
    as_form(enrolment)
    enrolment.get_by_placeholder("identity").fill(name)
    enrolment.locator("[data-property-name=images] input[type=file]").set_input_files(
        drawn(faces, 0)
    )
    status, body = execute(enrolment)
    assert (status, '"added": 1' in body) == ("201", True)

    finding = operation(page, "faces-search")
    as_form(finding)
    finding.locator("[data-property-name=image] input[type=file]").set_input_files(drawn(faces, 0))
    for number in ("min_similarity", "threshold"):
        finding.locator(f"[data-property-name={number}] input").first.fill("0")
    finding.locator("[data-property-name=where] textarea").fill("{}")
    status, body = execute(finding)
    assert (status, f'"identity": "{name}"' in body) == ("200", True), body

    erasure = operation(page, "identities-forget")
    erasure.get_by_placeholder("identity").fill(name)
    status, body = execute(erasure)
    assert (status, '"samples": 1' in body) == ("200", True), body
    status, body = execute(erasure)
    assert (status, "urn:facenet:problem:unknown-identity" in body) == ("404", True)


def operation(page: Page, name: str) -> Locator:
    """One of the API's operations, opened."""
    part = page.locator(f"#operations-{name}")
    part.locator(".opblock-summary-control").click()
    part.locator("button.execute").wait_for()
    return part


def as_form(part: Locator) -> None:
    part.get_by_label("Request content type").select_option("multipart/form-data")


def execute(part: Locator) -> tuple[str, str]:
    """Send it: the status, and the answer as it is shown."""
    with part.page.expect_response(lambda response: response.request.method != "GET"):
        part.locator("button.execute").click()
    live = part.locator(".live-responses-table")
    live.locator(".response-col_status").last.wait_for()
    part.page.wait_for_timeout(200)
    status = live.locator("tbody .response-col_status").first.inner_text().split()[0]
    return status, live.locator("tbody .response-col_description").first.inner_text()
