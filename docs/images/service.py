"""Draws docs/images/service-page.png: the page of `facenet serve` over a gallery of drawn people.

Needs the model that search.py needs, and chromium.
"""

from __future__ import annotations

from screens import photo_of, save, visited
from search import PEOPLE


def main() -> None:
    """Compare two photos of one person, and search a photo of three people."""
    with visited("serve", 1100, 600) as (page, folder):
        for place, sample in (("a", 0), ("b", 2)):
            photo = photo_of(folder / f"{place}.png", 5, sample=sample)
            page.locator(f"#verify input[name=image_{place}]").set_input_files(photo)
        page.locator("#verify button").click()
        photo = photo_of(folder / "party.png", *list(PEOPLE)[3:])
        page.locator("#search input[type=file]").set_input_files(photo)
        page.locator("#search input[type=number]").fill("3")
        page.locator("#search button").click()
        page.locator("#verify strong").wait_for()
        page.locator("#search table").last.wait_for()
        save(page, "service-page", whole=True)


if __name__ == "__main__":
    main()
