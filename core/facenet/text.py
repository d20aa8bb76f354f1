"""Small things said the same way everywhere."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``, did you mean 'x'?`` for the nearest known name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def count(number: int, noun: str, plural: str | None = None) -> str:
    """'1 image', '2 images', '3 identities'."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
