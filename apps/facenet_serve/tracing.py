"""Traces of requests for OpenTelemetry, by its own instrumentation."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from facenet.errors import FrontendError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

ADDRESSES = ("url.path", "url.query", "url.full", "http.target", "http.url")
"""Attributes of a span that may hold the name of a person."""


def check_tracing() -> None:
    """Raises `FrontendError` where the libraries are not installed."""
    if find_spec("opentelemetry.instrumentation.fastapi") is None:
        raise FrontendError("tracing: needs pip install 'facenet-kit[tracing]'")


def trace(app: FastAPI, exporter: SpanExporter | None = None) -> None:
    """Send a span for each request to where the environment says, as in
    OTEL_EXPORTER_OTLP_ENDPOINT, or to `exporter`; a span holds the pattern of an address only."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        server_request_hook=_hide_address,
        exclude_spans=["receive", "send"],
    )


def _hide_address(span: Any, _scope: dict[str, Any]) -> None:
    for name in ADDRESSES:
        if name in (span.attributes or {}):
            span.set_attribute(name, "hidden")
