"""The references in docs/ are what the code says, and the code says enough."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

import facenet
from facenet.config import CONFIGS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def references() -> Any:
    spec = importlib.util.spec_from_file_location("references", DOCS / "references.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["commands.md", "hooks.md", "api.md"])
def test_the_committed_page_is_current(references: Any, page: str) -> None:
    assert (DOCS / page).read_text(encoding="utf-8") == references.PAGES[page](), "run: make docs"


def test_every_command_says_what_it_does_with_an_example(references: Any) -> None:
    examples = references.examples_by_command()
    silent = [
        name
        for name, command, context in references.all_commands()
        if not references.help_text(command, context)
        or (references.runs(command) and not examples[name])
    ]
    assert silent == []


def test_every_option_of_a_command_says_what_it_is(references: Any) -> None:
    silent = [
        (name, option.opts)
        for name, command, context in references.all_commands()
        for option in references.options(command, context)
        if not option.help
    ]
    assert silent == []


def test_every_key_of_a_configuration_says_what_it_is() -> None:
    for name, model in CONFIGS.items():
        schema = model.model_json_schema()
        for section in (schema, *schema["$defs"].values()):
            assert section["description"], (name, section["title"])
            for key, field in section["properties"].items():
                assert "$ref" in field or field["description"], (name, key)


def test_every_hook_has_a_docstring(references: Any) -> None:
    assert [name for name, hook in references.all_hooks() if not hook.__doc__] == []


def test_everything_public_has_a_docstring(references: Any) -> None:
    described = references.described()
    assert set(facenet.__all__) < set(described)
    # A dataclass without one of its own gets its signature.
    silent = [
        name
        for name, thing in described.items()
        if (thing.__doc__ or f"{name}(")[: len(name) + 1] == f"{name}("
    ]
    assert silent == []
