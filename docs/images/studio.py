"""Draws docs/images/studio-*.png: the tabs of `facenet studio` over a gallery of drawn people.

Needs the model that search.py needs, and chromium.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page
from screens import photo_of, save, visited
from search import PEOPLE

NEWCOMER = 20
"""Of the people of search.py the one who is not enrolled."""


def main() -> None:
    """Look at each tab as a visitor who uses it."""
    with visited("studio", 1280, 900) as (page, folder):
        _register(page, folder)
        _verify(page, folder)
        _search(page, folder)
        _gallery(page)
        _report(page)


def _register(page: Page, folder: Path) -> None:
    people = {"holiday": (4, NEWCOMER), "garden": (NEWCOMER,)}
    photos = [photo_of(folder / f"{name}.png", *shown) for name, shown in people.items()]
    page.locator("#register-photos input[type=file]").set_input_files(photos)
    page.locator("#register-name input").fill("Nadia")
    page.get_by_text("Face 3").last.wait_for()
    save(page, "studio-register")


def _verify(page: Page, folder: Path) -> None:
    page.get_by_role("tab", name="Verify").click()
    for place, sample in (("first", 0), ("second", 2)):
        photo = photo_of(folder / f"{place}.png", 5, sample=sample)
        page.locator(f"#verify-{place} input[type=file]").set_input_files(photo)
    page.locator("#verify-button").click()
    page.locator(".verdict").wait_for()
    save(page, "studio-verify")


def _search(page: Page, folder: Path) -> None:
    page.get_by_role("tab", name="Search").click()
    photo = photo_of(folder / "party.png", *list(PEOPLE)[3:])
    page.locator("#search-photo input[type=file]").set_input_files(photo)
    page.locator("#search-top-k input[type=number]").fill("3")
    page.locator("#search-button").click()
    page.locator(".found").last.wait_for()
    save(page, "studio-search")


def _gallery(page: Page) -> None:
    page.get_by_role("tab", name="Gallery").click()
    page.locator(".people .card").last.wait_for()
    save(page, "studio-gallery")


def _report(page: Page) -> None:
    page.get_by_role("tab", name="Report").click()
    page.locator("#report-evaluation .notice, #report-evaluation iframe").wait_for()
    save(page, "studio-report")


if __name__ == "__main__":
    main()
