"""Endpoints for faces: verify, detect, embed, search."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from facenet.imaging import Photo
from facenet.recognition import Decision
from facenet_serve.schemas import (
    DetectBody,
    Detection,
    EmbedBody,
    Embeddings,
    SearchAnswer,
    SearchBody,
    VerifyBody,
)
from facenet_serve.service import Service, endpoint, note


def face_routes(service: Service) -> APIRouter:
    """Over a recognizer's faces."""
    router = APIRouter(tags=["faces"])
    recognizer, read, run = service.recognizer, service.reader.read, service.workroom.run
    verifier = service.access.needs("verify")
    searcher = service.access.needs("search")

    @router.post("/verify", operation_id="verify", dependencies=[verifier], **endpoint(VerifyBody))
    async def verify(request: Request) -> Decision:
        """Decide whether two images show one person."""
        asked = await read(request, VerifyBody)

        def work() -> Decision:
            photos = [
                recognizer.pipeline.open(content, name=name)
                for name, content in (("image_a", asked.image_a), ("image_b", asked.image_b))
            ]
            return recognizer.verify(*photos, threshold=asked.threshold)

        decision = await run(work)
        service.metrics.decided("verify", decision.similarity, found=decision.match)
        return decision

    @router.post(
        "/v1/detect", operation_id="detect", dependencies=[verifier], **endpoint(DetectBody)
    )
    async def detect(request: Request) -> Detection:
        """Find all faces of an image; none is no problem."""
        asked = await read(request, DetectBody)

        def work() -> dict[str, Any]:
            photo = recognizer.pipeline.open(asked.image, name="image")
            faces = recognizer.detect(photo)
            width, height = photo.size
            return {"width": width, "height": height, "faces": [each.to_dict() for each in faces]}

        return Detection.model_validate(await run(work))

    @router.post("/v1/embed", operation_id="embed", dependencies=[verifier], **endpoint(EmbedBody))
    async def embed(request: Request) -> Embeddings:
        """Embed the most prominent face of each image."""
        asked = await read(request, EmbedBody)
        vectors = await run(lambda: recognizer.embed(opened(service, asked.images)))
        return Embeddings(embedding_space=recognizer.model.card.space, embeddings=vectors.tolist())

    @router.post(
        "/v1/search", operation_id="search", dependencies=[searcher], **endpoint(SearchBody)
    )
    async def search(request: Request) -> SearchAnswer:
        """Find who is most like each face of an image."""
        asked = await read(request, SearchBody)

        def work() -> list[dict[str, Any]]:
            photo = recognizer.pipeline.open(asked.image, name="image")
            options = asked.model_dump(exclude={"image"})
            found = recognizer.search(photo, **options)
            for each in found:
                best = each.matches[0].similarity if each.matches else None
                service.metrics.decided("search", best, found=each.identity is not None)
            return [each.to_dict() for each in found]

        faces = await run(work)
        note("search", request, faces=len(faces))
        return SearchAnswer.model_validate({"faces": faces})

    return router


def opened(service: Service, images: list[bytes]) -> list[Photo]:
    """Images of a request, each named by its place in it."""
    return [
        service.recognizer.pipeline.open(content, name=f"images[{place}]")
        for place, content in enumerate(images)
    ]
