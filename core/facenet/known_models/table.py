"""The table of known weights, known.toml, and its records."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from facenet.errors import RequestError
from facenet.text import did_you_mean


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A public file of weights; `size` is in bytes, `licence` an SPDX id."""

    name: str
    purpose: str
    file: str
    address: str
    sha256: str
    size: int
    licence: str
    made_by: str
    described_at: str


def known_models() -> list[KnownModel]:
    """All of them, in the table's order."""
    table = tomllib.loads(Path(__file__).with_name("known.toml").read_text(encoding="utf-8"))
    return [KnownModel(name=name, **entry) for name, entry in table.items()]


def known_model(name: str) -> KnownModel:
    """The one of that name.

    Raises `RequestError` when there is none.
    """
    known = {model.name: model for model in known_models()}
    if name not in known:
        near = did_you_mean(name, known)
        raise RequestError(f"unknown weights {name!r}{near} (known: {', '.join(known)})")
    return known[name]
