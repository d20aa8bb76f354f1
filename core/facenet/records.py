"""Plain values of records, for JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any


class Record:
    """Base of the frozen dataclasses that callers get as answers."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The fields as values that JSON has: arrays as lists, times in ISO 8601."""
        return _fields(self)


def plain(value: Any) -> Any:
    """Records of either kind, dataclasses, mappings, sequences, paths, times and arrays as JSON has
    them."""
    if isinstance(value, Record):
        return value.to_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    if hasattr(value, "model_dump"):  # of pydantic, which is not imported for this
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    return value.tolist() if hasattr(value, "tolist") else value


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
