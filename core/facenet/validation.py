"""From pydantic's errors to sentences: key, value, and what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    SecretBytes,
    SecretStr,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from facenet.errors import ConfigError
from facenet.text import did_you_mean

KeyPath = tuple[str | int, ...]

_SECRET = re.compile(
    r"(^|_)(pass(word|wd|phrase)?|pwd|secrets?|tokens?|(api)?keys?|credentials?)$", re.IGNORECASE
)
_OUR_SENTENCE = "facenet"
_EXPECTED = {
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "dict_type": "a mapping of keys",
    "mapping_type": "a mapping of keys",
    "list_type": "a list",
    "tuple_type": "a list",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text (in quotes)",
    "path_type": "a path",
}


def problems(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[KeyPath, str]]:
    """One (key path, sentence) for each key that is wrong; values of secrets stay out."""
    alternatives: dict[KeyPath, list[str]] = {}
    endings: dict[KeyPath, str] = {}
    for detail in error.errors(include_url=False):
        keys, owner = _walk(model, detail["loc"])
        text, ending = _sentence(detail, keys, owner)
        alternatives.setdefault(keys, []).append(text)
        endings[keys] = ending
    for keys, texts in alternatives.items():
        first, *others = dict.fromkeys(texts)
        text = " or ".join([first, *(other.removeprefix("must be ") for other in others)])
        yield keys, text + endings[keys]


def wrong_key(*found: tuple[KeyPath, str]) -> ValidationError:
    """What a validator raises to blame certain keys below its own, each with a sentence."""
    return ValidationError.from_exception_data(
        "configuration",
        [
            {
                "type": PydanticCustomError(_OUR_SENTENCE, "{text}", {"text": text}),
                "loc": keys,
                "input": None,
            }
            for keys, text in found
        ],
    )


def config_error(error: ValidationError, model: type[BaseModel], what: str) -> ConfigError:
    """All problems of values that came from no file, one a line, led by `what` they are."""
    return ConfigError(
        "\n".join(f"{what}: {sentence(keys, text)}" for keys, text in problems(error, model))
    )


def sentence(keys: KeyPath, text: str) -> str:
    """`key.path: what is wrong`; the text alone when it is about no single key."""
    return f"{dotted(keys)}: {text}" if keys else text


def dotted(keys: Iterable[str | int]) -> str:
    """('a', 0, 'b') -> 'a.0.b'."""
    return ".".join(str(key) for key in keys)


def changed_keys(
    then: Mapping[str, Any], now: Mapping[str, Any], *, free: Iterable[str] = ()
) -> list[str]:
    """What differs between two mappings of plain values, 'optimizer.lr was 0.1, is 0.2', in order
    of the keys; `free` names keys, or groups of them, that may differ."""
    before, after = dict(_flat(then)), dict(_flat(now))
    # A plugin's name alone is short for a mapping of that name and no options.
    for one, other in ((before, after), (after, before)):
        for key in [key for key in one if f"{key}.plugin" in other]:
            one[f"{key}.plugin"] = one.pop(key)
    return [
        f"{key} was {before.get(key, 'not given')}, is {after.get(key, 'not given')}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
        and not any(key == name or key.startswith(f"{name}.") for name in free)
    ]


def beside_configuration(path: Path, info: ValidationInfo) -> Path:
    """For a validator of a plugin's option: a relative path, from the configuration's folder on."""
    return Path((info.context or {}).get("config_dir") or ".") / path


BesideConfiguration = Annotated[Path, AfterValidator(beside_configuration)]
"""The type of a plugin's option that names a file or folder beside the configuration's."""


def is_secret(key: str) -> bool:
    """Whether a key's name says that its value must not be shown."""
    return _SECRET.search(key) is not None


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _sentence(
    detail: ErrorDetails, keys: KeyPath, owner: type[BaseModel] | None
) -> tuple[str, str]:
    """What is wrong, and the ending that shows the value."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = [*owner.model_fields, *getattr(owner, "short_spellings", ())] if owner else []
        near = did_you_mean(str(keys[-1]), allowed)
        return "unknown key" + (near or f"; allowed: {', '.join(allowed) or 'none'}"), ""
    if kind in ("missing", "missing_argument"):
        return f"this {'item' if isinstance(keys[-1], int) else 'key'} is required", ""
    if kind in ("value_error", _OUR_SENTENCE):
        return str(context.get("error", detail["msg"])), ""
    hidden = _hides(keys, owner) or kind in ("too_long", "too_short")
    got = "" if hidden else f", got {_short(detail['input'])}"
    if kind == "literal_error":
        expected = context["expected"]
        near = did_you_mean(str(detail["input"]), re.findall(r"'([^']*)'", expected)) if got else ""
        return f"must be {expected}", got + near
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}", got
    message = re.sub(r"^\w+ should ", "must ", detail["msg"]).replace(" after validation", "")
    message = message.replace("greater than or equal to", "at least")
    return message.replace("less than or equal to", "at most"), got


def _hides(keys: KeyPath, owner: type[BaseModel] | None) -> bool:
    if any(is_secret(str(key)) for key in keys):
        return True
    field = owner.model_fields.get(str(keys[-1])) if owner and keys else None
    return field is not None and any(
        member in (SecretStr, SecretBytes) for member in _members(field.annotation)
    )


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _walk(
    model: type[BaseModel], location: tuple[int | str, ...]
) -> tuple[KeyPath, type[BaseModel] | None]:
    """The keys of a pydantic location as a user wrote them, and the model that owns the last.

    Where a value may be of several types, pydantic adds the type that it tried; that is no key.
    """
    keys: list[str | int] = []
    owner: type[BaseModel] | None = None
    annotation: Any = model
    for part in location:
        members = _members(annotation)
        if len(members) > 1:
            annotation = next(filter(_is_model, members), None)
            continue
        annotation = members[0] if members else None
        keys.append(part)
        if _is_model(annotation):
            owner = annotation
            field = annotation.model_fields.get(str(part))
            annotation = field.annotation if field else None
        else:
            owner = None
            annotation = _item_type(annotation, part)
    return tuple(keys), owner


def _item_type(annotation: Any, part: int | str) -> Any:
    """What stands at `part` of a list, tuple or mapping."""
    types = [item for item in get_args(annotation) if item is not Ellipsis]
    if get_origin(annotation) is tuple and isinstance(part, int):
        types = types[: part + 1]
    return types[-1] if types else None


def _members(annotation: Any) -> list[Any]:
    """The types that a value may have, None aside."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for item in get_args(annotation) for member in _members(item)]
    return [] if annotation is NoneType else [annotation]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
