"""From pydantic's errors to sentences: key, value, and what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from facenet.errors import ConfigError
from facenet.text import did_you_mean

KeyPath = tuple[str | int, ...]

_SECRET = re.compile(r"pass(word|wd)?|secret|token|key$", re.IGNORECASE)


def problems(
    error: ValidationError, model: type[BaseModel], prefix: KeyPath = ()
) -> Iterator[tuple[KeyPath, str]]:
    """One (key path, sentence) for each key that is wrong; values of secrets stay out."""
    sentences: dict[KeyPath, list[str]] = {}
    for detail in error.errors(include_url=False):
        keys, owner = _walk(model, detail["loc"])
        sentences.setdefault(prefix + keys, []).append(_sentence(dict(detail), keys, owner))
    for keys, texts in sentences.items():
        unique = list(dict.fromkeys(texts))
        yield keys, unique[0] if len(unique) == 1 else "; or ".join(unique)


def config_error(error: ValidationError, model: type[BaseModel], what: str) -> ConfigError:
    """All problems of values that came from no file, one a line, led by `what` they are."""
    return ConfigError(
        "\n".join(f"{what}: {dotted(keys)}: {text}" for keys, text in problems(error, model))
    )


def dotted(keys: Iterable[str | int]) -> str:
    """('a', 0, 'b') -> 'a.0.b'."""
    return ".".join(str(key) for key in keys)


def is_secret(key: str) -> bool:
    """Whether a key's name says that its value must not be shown."""
    return _SECRET.search(key) is not None


def _sentence(detail: dict[str, Any], keys: KeyPath, owner: type[BaseModel] | None) -> str:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = list(owner.model_fields) if owner else []
        near = did_you_mean(str(keys[-1]), allowed)
        return "unknown key" + (near or f"; allowed: {', '.join(allowed) or 'none'}")
    if kind == "missing":
        return "this key is required"
    if kind == "value_error":
        return str(context["error"])
    shown = "" if keys and is_secret(str(keys[-1])) else f", got {_short(value)}"
    if kind == "literal_error":
        near = did_you_mean(str(value), re.findall(r"'([^']*)'", context["expected"]))
        return f"must be {context['expected']}{shown}{near}"
    message = str(detail["msg"]).removeprefix("Input should ").removeprefix("Value error, ")
    return f"{'must ' if message.startswith('be ') else ''}{message}{shown}"


def _short(value: Any) -> str:
    if isinstance(value, dict | list | tuple):
        return f"a {type(value).__name__}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _walk(
    model: type[BaseModel], location: tuple[int | str, ...]
) -> tuple[KeyPath, type[BaseModel] | None]:
    """The keys of a pydantic location as a user wrote them, and the model that owns the last.

    pydantic adds the names of union members ('constrained-int') to a location; they are no keys.
    """
    keys: list[str | int] = []
    owner: type[BaseModel] | None = model
    annotation: Any = model
    for part in location:
        inner = _model_in(annotation)
        if inner is not None and (part in inner.model_fields or not _is_tag(part)):
            owner = inner
            keys.append(part)
            field = inner.model_fields.get(str(part))
            annotation = field.annotation if field else None
        elif isinstance(part, int) or (annotation is not None and _is_mapping(annotation)):
            keys.append(part)
            annotation = (get_args(annotation) or (None,))[-1 if isinstance(part, str) else 0]
    return tuple(keys), owner


def _is_tag(part: int | str) -> bool:
    return isinstance(part, str) and re.search(r"[\[\]-]", part) is not None


def _is_mapping(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is dict


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for member in get_args(annotation):
        if (found := _model_in(member)) is not None:
            return found
    return None
