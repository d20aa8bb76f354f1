"""The HTTP application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from facenet.errors import RequestError
from facenet.evaluation import Counts, Drift
from facenet.recognition import Recognizer
from facenet.recognition.drift import Operation, drift_since_calibration
from facenet_serve import Options
from facenet_serve.access import Access
from facenet_serve.faces import face_routes
from facenet_serve.identities import identity_routes
from facenet_serve.metrics import Metrics
from facenet_serve.problems import add_handlers
from facenet_serve.schemas import Health, Readiness
from facenet_serve.service import Service, endpoint
from facenet_serve.uploads import Reader
from facenet_serve.watching import REQUEST_ID, Watch
from facenet_serve.work import Workroom, streams

PAGE = Path(__file__).with_name("page")
DESCRIPTION = """Verify, search, enrol and forget faces.

Images are sent as base64 in JSON, as files of a form, or, where one is enough, as the content
itself. Whatever is wrong with a request is answered as problem details (RFC 9457) that say what
would be right.
"""


def make_app(recognizer: Recognizer, options: Options) -> FastAPI:
    """The application over a recognizer; all that lasts is in the gallery."""
    metrics = Metrics(partial(_drift, recognizer))
    recognizer.pipeline.on_batch = metrics.batched
    lanes = streams(options, recognizer.model.device)
    recognizer.pipeline.embed_in(lanes)
    service = Service(
        recognizer,
        Access(options),
        Reader(options.max_body, options.body_timeout),
        Workroom(options.concurrency, options.queue, options.timeout, metrics.waiting),
        metrics,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        recognizer.pipeline.embed_in(None)
        service.workroom.close()
        lanes.shutdown()

    app = FastAPIOffline(
        title="facenet",
        summary="Face recognition",
        description=DESCRIPTION,
        version="1",
        lifespan=lifespan,
        redoc_url=None,
        swagger_ui_parameters={"persistAuthorization": True, "tryItOutEnabled": True},
    )
    add_handlers(app)
    app.include_router(face_routes(service))
    app.include_router(identity_routes(service))
    _add_operation(app, service)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    app.add_api_route("/", lambda: FileResponse(PAGE / "index.html"), include_in_schema=False)
    if options.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=options.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=[REQUEST_ID, "ETag", "Retry-After"],
        )
    app.add_middleware(Watch, metrics=metrics)
    _tell_roles(app)
    return app


def _tell_roles(app: FastAPI) -> None:
    """Let OpenAPI name the role that a key needs in each operation's text too: pages that show it
    leave out what `security` says."""
    for path in app.openapi()["paths"].values():
        for operation in path.values():
            roles = {role for each in operation.get("security", ()) for [role] in each.values()}
            needed = f"a key of the role `{roles.pop()}`" if roles else "no key"
            operation["description"] += f"\n\nNeeds {needed}."


def _drift(recognizer: Recognizer, operation: Operation, counts: Counts) -> Drift | None:
    """None where there is nothing to compare with, or the gallery cannot be asked."""
    try:
        return drift_since_calibration(recognizer, operation, counts)
    except RequestError:
        return None


def _add_operation(app: FastAPI, service: Service) -> None:
    """What a load balancer and Prometheus ask."""
    recognizer = service.recognizer

    @app.get("/healthz", operation_id="healthz", tags=["operation"])
    async def healthz() -> Health:
        """Whether the service lives."""
        return Health(status="ok", embedding_space=recognizer.model.card.space)

    @app.get("/readyz", operation_id="readyz", tags=["operation"], **endpoint())
    async def readyz() -> Readiness:
        """Whether it can work: the model is loaded, and the gallery answers."""
        identities = await service.workroom.run(lambda: recognizer.store.count())
        return Readiness(status="ready", identities=identities)

    @app.get(
        "/metrics",
        operation_id="metrics",
        tags=["operation"],
        response_class=Response,
        dependencies=[service.access.needs("verify")],
        **endpoint(),
    )
    def metrics() -> Response:
        """For Prometheus, in its text format."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")
