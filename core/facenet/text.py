"""Small things said the same way everywhere."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``, did you mean 'x'?`` for the nearest known name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def count(number: int, noun: str, plural: str | None = None) -> str:
    """'1 image', '2 images', '3 identities'."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Sequence[str], shown: int = 5) -> str:
    """'ann', 'bob' and 3 more."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(map(repr, names[:shown])) + more


def first_line(error: object) -> str:
    """The first line of what an error says; the name of its type where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def size(bytes_: int) -> str:
    """'512 bytes', '1.5 kB', '34.1 MB', '2.0 GB'."""
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if bytes_ >= length:
            return f"{bytes_ / length:.1f} {unit}"
    return f"{bytes_} bytes"


def duration(seconds: float) -> str:
    """'42 s', '3 min 20 s', '2 h 5 min', '1 d 3 h'."""
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    left = round(seconds)
    parts: list[str] = []
    for unit, length in units:
        number, left = divmod(left, length)
        if number or (unit == "s" and not parts):
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2])


def slug(text: str) -> str:
    """A file's name, of letters, digits and a few signs that any file system takes."""
    return re.sub(r"[^A-Za-z0-9_.=]+", "-", text).strip("-.")
