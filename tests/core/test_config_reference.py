"""docs/configuration.md is what the models say."""

from __future__ import annotations

from pathlib import Path

from facenet.config import CONFIGS
from facenet.config.reference import reference

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
COMMAND = "python -m facenet.config.reference > docs/configuration.md"
LINES = reference().splitlines()


def row(key: str) -> str:
    (line, *_) = (line for line in LINES if line.startswith(f"| `{key}` |"))
    return line


def test_the_committed_reference_is_current() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == reference(), f"run: {COMMAND}"


def test_the_reference_says_how_it_is_made() -> None:
    assert COMMAND in reference()


def test_a_row_says_values_default_and_meaning() -> None:
    assert row("val_split") == (
        "| `val_split` | number, above 0, below 1 | `0.2` | "
        "Share of identities held out for validation. |"
    )


def test_every_key_of_every_file_has_a_row() -> None:
    for model in CONFIGS.values():
        for key in (*model.model_fields, *model.short_spellings):
            assert row(key)
