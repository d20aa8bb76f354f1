"""The model card as a page: README.md of a bundle."""

from __future__ import annotations

import json

from facenet.models.card import ModelCard, NetworkSpec
from facenet.models.description import Rows, Section, describe
from facenet.spdx import ON_HUBS

HOW_TO_LOAD = (
    "`Recognizer.from_pretrained(FOLDER)` in Python, or `checkpoint_path: FOLDER` in an inference "
    "configuration of facenet. `facenet bundle verify FOLDER` says whether it gives the same "
    "embeddings where you are."
)


def render_readme(card: ModelCard) -> str:
    """The page of a card, Markdown with the front matter that model hubs read."""
    parts = [
        _front_matter(card),
        f"# Face embedding model {card.space}",
        *(_section(section) for section in describe(card)),
        f"## How to load it\n\n{HOW_TO_LOAD}",
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(card: ModelCard) -> str:
    library = "pytorch" if isinstance(card.network, NetworkSpec) else "onnx"
    keys = {
        **_licence(card.licence),
        "library_name": "facenet-kit",
        "pipeline_tag": "image-feature-extraction",
        "tags": ["face-recognition", "facenet", library],
    }
    # Values as JSON, which YAML reads too, whatever characters a licence's name has.
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items()]
    return "\n".join(["---", *lines, "---"])


def _licence(licence: str | None) -> dict[str, str]:
    if licence is None:
        return {"license": "unknown"}
    # Hubs still have the ids of before AGPL-3.0 was told into -only and -or-later.
    known = licence.removesuffix("-only")
    if known in ON_HUBS:
        return {"license": known.lower()}
    return {"license": "other", "license_name": licence}


def _section(section: Section) -> str:
    table = _table(section.rows) if section.rows else ""
    return "\n\n".join(part for part in (f"## {section.heading}", section.text, table) if part)


def _table(rows: Rows) -> str:
    lines = [("", ""), ("---", "---"), *rows]
    return "\n".join(f"| {_cell(name)} | {_cell(value)} |" for name, value in lines)


def _cell(text: str) -> str:
    """Text that stays in its cell."""
    return " ".join(text.split()).replace("|", r"\|")
