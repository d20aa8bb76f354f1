"""What is asked and answered, as JSON."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import from_json

MOST_IMAGES = 32
MOST_MATCHES = 1000
LONGEST_PAGE = 1000
_DATA_URL = re.compile(r"data:[\w/+.-]*(?:;[\w=+.-]+)*;base64,", re.ASCII)
_SPACE = re.compile(r"\s+")
FORGOTTEN_AT = "a file takes an @, as in curl {}@FILE"


def _encoded(value: Any, info: ValidationInfo) -> Any:
    """The bytes of a file: given as they are by an upload, in base64 by JSON."""
    if not isinstance(value, str):
        return value
    prefix = _DATA_URL.match(value)
    text = value[prefix.end() :] if prefix else value
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:  # spaces may be the only fault
        pass
    try:
        return base64.b64decode(_SPACE.sub("", text), validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: of what is not ASCII
        hint = f"; {FORGOTTEN_AT.format(f'-F {info.field_name}=')}" if info.context else ""
        raise ValueError(f"not valid base64: {error}{hint}") from error


def _from_text(value: Any) -> Any:
    """An object: as such in JSON, as its text in a form or a query."""
    if not isinstance(value, str):
        return value
    try:
        return from_json(value, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"not valid JSON: {error}") from error


File = Annotated[
    bytes,
    BeforeValidator(_encoded),
    WithJsonSchema(
        {
            "type": "string",
            "format": "byte",
            "contentEncoding": "base64",
            "examples": ["/9j/4AAQSk..."],
        }
    ),
]
"""An image file: JPEG, PNG or another that the service is configured for."""
Attributes = Annotated[dict[str, Any] | None, BeforeValidator(_from_text)]
Similarity = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Threshold = Annotated[
    Similarity | None,
    Field(description="Similarity from which two faces match; without it the calibrated one."),
]
Image = Annotated[File, Field(description="An image file; in JSON as base64, or as a data URL.")]
Images = Annotated[
    list[File],
    Field(
        min_length=1,
        max_length=MOST_IMAGES,
        description="Image files; the most prominent face of each is taken.",
    ),
]
Name = Annotated[
    str, Field(min_length=1, max_length=10_000, description="Who it is.", examples=["Ann"])
]


class Body(BaseModel):
    """Of a request."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VerifyBody(Body):
    """Two images."""

    image_a: Image
    image_b: Image
    threshold: Threshold = None


class DetectBody(Body):
    """An image."""

    image: Image


class EmbedBody(Body):
    """Images, of each of which the most prominent face is embedded."""

    images: Images


class SearchBody(Body):
    """An image, every face of which is searched for."""

    image: Image
    top_k: int = Field(5, ge=1, le=MOST_MATCHES, description="At most so many for each face.")
    min_similarity: Similarity = Field(-1.0, description="None that is less similar.")
    threshold: Threshold = None
    where: Attributes = Field(
        None,
        description="Only identities whose metadata contains this.",
        examples=[{"team": "red"}],
    )


class SamplesBody(Body):
    """Images of an identity that is enrolled."""

    images: Images


class EnrolBody(Body):
    """An identity and images of it."""

    identity: Name
    images: Images
    metadata: Attributes = Field(
        None, description="What to keep beside it.", examples=[{"team": "red"}]
    )


class PageQuery(Body):
    """Which of those who are enrolled."""

    after: str | None = Field(None, description="Those after this name.")
    limit: int = Field(100, ge=1, le=LONGEST_PAGE)


class Health(BaseModel):
    """The service is up, and what it recognises with."""

    status: str = Field(examples=["ok"])
    embedding_space: str


class Readiness(BaseModel):
    """The model is loaded and the gallery answers."""

    status: str = Field(examples=["ready"])
    identities: int


class FoundFace(BaseModel):
    """A face: box x1, y1, x2, y2 in pixels of the image, score in 0..1, and the person's right and
    left eye, nose, right and left corner of the mouth, where the detector tells."""

    box: tuple[float, float, float, float]
    score: float
    landmarks: list[tuple[float, float]] | None


class Detection(BaseModel):
    """All faces of an image, the most prominent first; maybe none."""

    width: int
    height: int
    faces: list[FoundFace]


class Embeddings(BaseModel):
    """One vector for each image, comparable with those of the same space alone."""

    embedding_space: str
    embeddings: list[list[float]]


class FoundIdentity(BaseModel):
    """An identity of the gallery, and how similar it is."""

    identity: str
    similarity: float
    samples: int
    metadata: dict[str, Any]


class SearchedFace(BaseModel):
    """A face, who it is (null: nobody who is enrolled, or not decided), and who is most like it."""

    identity: str | None
    face: FoundFace
    matches: list[FoundIdentity]
    threshold: float | None
    threshold_origin: str


class SearchAnswer(BaseModel):
    """Every face of the image."""

    faces: list[SearchedFace]


class Identity(BaseModel):
    """Who is enrolled."""

    identity: str
    samples: int
    metadata: dict[str, Any]


class IdentityPage(BaseModel):
    """Some of all identities, in order of name; `next` is the address of those that follow."""

    identities: list[Identity]
    next: str | None


class ProblemBody(BaseModel):
    """Problem details, as in RFC 9457; kinds of problem may add members of their own."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:facenet:problem:no-face"])
    title: str
    status: int
    detail: str = Field(description="What is wrong with this request, and what would be right.")
