"""The HTTP application."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from facenet.errors import ImageError, RequestError
from facenet.recognition import Decision, Recognizer

Base64Image = Annotated[str, Field(description="An image file (JPEG, PNG, ...) in base64.")]


class VerifyRequest(BaseModel):
    """Two images, and optionally the similarity from which they match."""

    model_config = ConfigDict(extra="forbid")

    image_a: Base64Image
    image_b: Base64Image
    threshold: float | None = Field(None, ge=-1, le=1, description="Default: the calibrated one.")


class Health(BaseModel):
    """The service is up, and what it recognises with."""

    status: str
    embedding_space: str


def make_app(recognizer: Recognizer) -> FastAPI:
    """The application over a recognizer; it holds no state of its own."""
    app = FastAPI(title="facenet", summary="Face recognition")

    @app.exception_handler(RequestError)
    def wrong_request(_request: Request, error: RequestError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=422)

    @app.get("/healthz")
    def healthz() -> Health:
        """Whether the service answers."""
        return Health(status="ok", embedding_space=recognizer.model.card.space)

    @app.post("/verify")
    def verify(request: VerifyRequest) -> Decision:
        """Decide whether two images show one person."""
        photos = [
            recognizer.pipeline.open(_decoded(field, text), name=field)
            for field, text in (("image_a", request.image_a), ("image_b", request.image_b))
        ]
        return recognizer.verify(*photos, threshold=request.threshold)

    return app


def _decoded(field: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ImageError(f"{field}: not valid base64: {error}") from error
