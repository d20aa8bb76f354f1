"""Endpoints for the gallery: enrol, list, get, add samples, forget."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from facenet.recognition import Enrolment
from facenet.stores import IdentityRecord, Receipt
from facenet_serve.faces import opened
from facenet_serve.problems import Problem
from facenet_serve.repeats import Repeats
from facenet_serve.schemas import (
    EnrolBody,
    Identity,
    IdentityPage,
    PageQuery,
    SamplesBody,
)
from facenet_serve.service import Service, caller, endpoint, note

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="Repeats of a request with the same key get the first answer again.",
    ),
]
Tag = Annotated[str | None, Header(description="An ETag that was answered before.")]
ANY = "*"
"""Stands for whatever tag somebody who is enrolled has."""
PATH = "/v1/identities/{identity:path}"


def identity_routes(service: Service) -> APIRouter:
    """Over a recognizer's gallery."""
    router = APIRouter(tags=["identities"])
    recognizer, read, run = service.recognizer, service.reader.read, service.workroom.run
    repeats = Repeats()
    enroller, searcher, admin = (
        [service.access.needs(role)] for role in ("enrol", "search", "admin")
    )

    @router.post(
        "/v1/identities",
        operation_id="enrol",
        dependencies=enroller,
        status_code=201,
        response_model=Enrolment,
        **endpoint(EnrolBody, also={200: {"model": Enrolment, "description": "Enrolled before."}}),
    )
    async def enrol(
        request: Request,
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        """Enrol images of an identity, all or none of them; those that it holds already are not
        added again. 200 where it was enrolled before."""
        asked = await read(request, EnrolBody)

        async def work() -> tuple[int, dict[str, Any]]:
            done = await run(
                lambda: recognizer.enrol(
                    asked.identity, opened(service, asked.images), metadata=asked.metadata
                )
            )
            note("enrol", request, samples=done.added)
            is_new = done.added == done.samples > 0
            return 201 if is_new else 200, done.to_dict()

        return await repeats.answer(idempotency_key, caller(request), asked.identity, asked, work)

    @router.post(
        f"{PATH}/samples",
        operation_id="add_samples",
        dependencies=enroller,
        response_model=Enrolment,
        **endpoint(SamplesBody, 404),
    )
    async def add_samples(
        identity: str,
        request: Request,
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        """Add images to an identity that is enrolled, all or none of them."""
        asked = await read(request, SamplesBody)

        def add() -> Enrolment:
            _known(recognizer.store.get(identity))
            return recognizer.enrol(identity, opened(service, asked.images))

        async def work() -> tuple[int, dict[str, Any]]:
            done = await run(add)
            note("enrol", request, samples=done.added)
            return 200, done.to_dict()

        return await repeats.answer(idempotency_key, caller(request), identity, asked, work)

    @router.get(
        "/v1/identities",
        operation_id="list_identities",
        dependencies=searcher,
        **endpoint(None, 422),
    )
    async def list_identities(
        asked: Annotated[PageQuery, Query()],
    ) -> IdentityPage:
        """A page of those who are enrolled, in order of name."""
        limit = asked.limit
        found = await run(
            lambda: list(recognizer.store.identities(after=asked.after, limit=limit + 1))
        )
        shown = found[:limit]
        rest = urlencode({"after": shown[-1].identity, "limit": limit}) if shown else ""
        return IdentityPage(
            identities=[_identity(record) for record in shown],
            next=f"/v1/identities?{rest}" if len(found) > limit else None,
        )

    @router.get(
        PATH,
        operation_id="get_identity",
        response_model=Identity,
        dependencies=searcher,
        **endpoint(None, 404, also={304: {"description": "The ETag is right."}}),
    )
    async def get_identity(identity: str, if_none_match: Tag = None) -> Response:
        """Who is enrolled under a name. 304 where the ETag is still right."""
        record = _known(await run(lambda: recognizer.store.get(identity)))
        tag = _tag(record)
        if if_none_match and _tags(if_none_match) & {tag, ANY}:
            return Response(status_code=304, headers={"ETag": tag})
        return JSONResponse(_identity(record).model_dump(), headers={"ETag": tag})

    @router.delete(PATH, operation_id="forget", dependencies=admin, **endpoint(None, 404, 412))
    async def forget(
        identity: str,
        request: Request,
        if_match: Tag = None,
    ) -> Receipt:
        """Erase all that the gallery holds on an identity."""

        def work() -> Receipt:
            record = _known(recognizer.store.get(identity))
            if if_match and not _tags(if_match) & {_tag(record), ANY}:
                raise Problem("changed", "it was changed since; look at it again")
            return recognizer.forget(identity)

        receipt = await run(work)
        note("forget", request, samples=receipt.samples)
        return receipt

    return router


def _known(record: IdentityRecord | None) -> IdentityRecord:
    if record is None:
        raise Problem(
            "unknown-identity", "nobody of this name: GET /v1/identities lists who is enrolled"
        )
    return record


def _identity(record: IdentityRecord) -> Identity:
    return Identity(
        identity=record.identity, samples=record.samples, metadata=dict(record.metadata)
    )


def _tag(record: IdentityRecord) -> str:
    content = repr(_identity(record)).encode("utf-8", "surrogatepass") + record.centroid.tobytes()
    return f'"{sha256(content).hexdigest()[:32]}"'


def _tags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}
