"""Sends spans to a collector by OTLP over HTTP, through OpenTelemetry's own batches. Loaded only where that is wanted."""

from threading import Timer

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from groundplane.kernel.telemetry import Span

SEND_SECONDS = 5
CLOSE_SECONDS = 2.0


class OtlpExport:
    """A sink for the spans of one process. `endpoint` is the whole address, such as http://127.0.0.1:4318/v1/traces."""

    def __init__(self, service: str, endpoint: str) -> None:
        self._service = service
        self._resource = Resource({"service.name": f"groundplane-{service}"})
        self._exporter = OTLPSpanExporter(endpoint, timeout=SEND_SECONDS)
        self._batches = BatchSpanProcessor(self._exporter)

    def take(self, span: Span) -> None:
        """Queue it, if this process made it; others send their own. OpenTelemetry drops what is too much."""
        if span.service == self._service:
            self._batches.on_end(self._readable(span))

    def close(self) -> None:
        """Send what waits, for a few seconds; a collector that is away must not hold up the process's end."""
        patience = Timer(CLOSE_SECONDS, self._exporter.shutdown)
        patience.start()
        self._batches.shutdown()  # type: ignore[no-untyped-call]
        patience.cancel()

    def _readable(self, span: Span) -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            context=_context(span.trace_id, span.span_id),
            parent=_context(span.trace_id, span.parent_id) if span.parent_id else None,
            resource=self._resource,
            attributes=span.attributes,
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.OK),
            start_time=span.started_ns,
            end_time=span.ended_ns,
        )


def _context(trace_id: str, span_id: str) -> SpanContext:
    # What failed is sent although its trace was not sampled, and the batches take sampled spans only.
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
