"""A hook of mkdocs: pages link to files beside docs/ too, and the site has a copy of each.

On a code host `../configs/train.yaml` is a file of the repository; in the site it is
`project/configs/train.yaml`, and what is Markdown there is a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from os.path import relpath
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
BEGUN_WITH = ("CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md")
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages link to outside of docs/, and what those pages link to."""
    waiting = [ROOT / name for name in BEGUN_WITH]
    for file in files.documentation_pages():
        waiting += _outside(DOCS / file.src_uri)
    while waiting:
        path = waiting.pop()
        place = _place(path)
        if files.get_file_from_path(place) is None:
            files.append(File.generated(config, place, abs_src_path=str(path)))
            if path.suffix == ".md":
                waiting += _outside(path)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links lead to where the site has what they name."""
    source = Path(str(page.file.abs_src_path))
    here = Path(page.file.src_uri).parent

    def moved(link: re.Match[str]) -> str:
        return relpath(_place((source.parent / link[1]).resolve()), here)

    return LINK.sub(moved, markdown)


def _outside(page: Path) -> Iterator[Path]:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / link).resolve()
        if path.is_file() and not path.is_relative_to(DOCS):
            yield path


def _place(path: Path) -> str:
    """Where the site keeps a file of the repository, relative to its root."""
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    return f"project/{path.relative_to(ROOT).as_posix()}"
