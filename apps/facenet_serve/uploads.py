"""From the bytes of a request to what it asks for: JSON, a form, or an image as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, TypeVar, get_origin

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from facenet.text import size
from facenet_serve.problems import Problem, invalid
from facenet_serve.schemas import FORGOTTEN_AT, MOST_IMAGES, Body

Asked = TypeVar("Asked", bound=Body)

CLOSE = {"Connection": "close"}
"""What of the request has not arrived will not be read."""
RAW = "an image type such as image/jpeg"
LONGEST_NAME = 255
"""Bytes of a file's name."""


class Reader:
    """Reads requests of at most `limit` bytes that arrive within `timeout` seconds."""

    def __init__(self, limit: int, timeout: float) -> None:
        self._limit = limit
        self._timeout = timeout

    async def read(self, request: Request, kind: type[Asked]) -> Asked:
        """What a request asks; raises `Problem` for one that is too large or slow, of a wrong
        content type, or not what `kind` says."""
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        image = _image_field(kind)
        known = media in ("application/json", "multipart/form-data")
        if not known and not (image and media.startswith("image/")):
            taken = ["application/json", "multipart/form-data", *([RAW] if image else [])]
            raise Problem(
                "content-type", f"{media or 'no content type'}: send {' or '.join(taken)}"
            )
        content = await self._content(request)
        values: dict[str, Any] = dict(request.query_params)
        if known and values:
            raise Problem(
                "invalid", f"{', '.join(values)}: in the address; put it into the JSON or the form"
            )
        if media == "application/json":
            return _checked(kind, content)
        if media == "multipart/form-data":
            return _checked(kind, await _form(request, content, _lists(kind)))
        assert image is not None
        if image in values:
            raise Problem("invalid", f"{image}: given twice, in the address and as the content")
        if _is_name(content):
            hint = FORGOTTEN_AT.format("--data-binary ")
            raise Problem("image", f"{image}: is text, and no image; {hint}")
        return _checked(kind, {**values, image: [content] if image in _lists(kind) else content})

    async def _content(self, request: Request) -> bytes:
        promised = request.headers.get("content-length", "0")
        if promised.isdecimal() and int(promised) > self._limit:
            raise self._too_large()
        parts, total = [], 0
        try:
            async with asyncio.timeout(self._timeout):
                async for part in request.stream():
                    total += len(part)
                    if total > self._limit:
                        raise self._too_large()
                    parts.append(part)
        except ClientDisconnect as error:
            raise Problem("bad-request", "the request broke off") from error  # nobody hears it
        except TimeoutError:
            raise Problem(
                "slow-body",
                f"{size(total)} arrived in {self._timeout:g} s; send less, or faster",
                headers=CLOSE,
            ) from None
        return b"".join(parts)

    def _too_large(self) -> Problem:
        return Problem(
            "body-too-large",
            f"a request may have {size(self._limit)}: send fewer or smaller images",
            headers=CLOSE,
        )


async def _form(request: Request, content: bytes, lists: Sequence[str]) -> dict[str, Any]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield content

    parser = MultiPartParser(
        request.headers, stream(), max_files=MOST_IMAGES, max_fields=MOST_IMAGES
    )
    parser.spool_max_size = len(content) + 1  # nothing of it goes to a disk
    parser.max_part_size = len(content) + 1
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Problem("bad-request", f"the form cannot be read: {error.message}") from error
    try:
        return {name: await _value(form, name, many=name in lists) for name in form}
    finally:
        await form.close()


async def _value(form: FormData, name: str, *, many: bool) -> Any:
    values = [
        await value.read() if isinstance(value, UploadFile) else value
        for value in form.getlist(name)
    ]
    if many:
        return values
    if len(values) > 1:
        raise Problem("invalid", f"{name}: given {len(values)} times")
    return values[0]


def _checked(kind: type[Asked], content: bytes | dict[str, Any]) -> Asked:
    try:
        if isinstance(content, bytes):
            return kind.model_validate_json(content)
        return kind.model_validate(content, context={"form": True})
    except ValidationError as error:
        raise invalid(error.errors(include_input=False), kind.model_fields) from error


def _is_name(content: bytes) -> bool:
    """Whether it looks like a file's name instead of its content, which in no format is text."""
    try:
        return 0 < len(content) <= LONGEST_NAME and content.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _image_field(kind: type[Body]) -> str | None:
    """The field that an image as it is may stand for."""
    fields = [name for name in kind.model_fields if name in ("image", "images")]
    needed = [name for name, field in kind.model_fields.items() if field.is_required()]
    return fields[0] if fields == needed else None


def _lists(kind: type[Body]) -> list[str]:
    fields = kind.model_fields.items()
    return [name for name, field in fields if get_origin(field.annotation) is list]


def body_schema(kind: type[Body]) -> dict[str, Any]:
    """What OpenAPI says of the request."""
    schema = kind.model_json_schema()
    form = {**schema, "properties": dict(schema["properties"])}
    binary = {"type": "string", "format": "binary"}
    for name in ("image", "image_a", "image_b"):
        if name in form["properties"]:
            form["properties"][name] = binary
    if "images" in form["properties"]:
        form["properties"]["images"] = {**schema["properties"]["images"], "items": binary}
    content = {"application/json": {"schema": schema}, "multipart/form-data": {"schema": form}}
    if _image_field(kind):
        content["image/*"] = {"schema": binary}
    return {"requestBody": {"required": True, "content": content}}
