"""Starts what a process tells of itself: spans to the database and to a collector, figures on a port."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from groundplane.kernel.metrics import Reading, metrics_served
from groundplane.kernel.settings import Settings
from groundplane.kernel.telemetry import Sink, configure_tracing

if TYPE_CHECKING:  # the agent has no database, and loads nothing of it
    from groundplane.kernel.database import Database


@asynccontextmanager
async def observed(
    settings: Settings, service: str, *, database: "Database | None" = None, readings: Sequence[Reading] = ()
) -> AsyncIterator[None]:
    """The block's spans are kept and its figures can be read. Without a database, spans go to the collector alone."""
    async with AsyncExitStack() as stack:
        sinks: list[Sink] = []
        if database is not None:
            sinks.append(await stack.enter_async_context(_written(database)))
        if settings.otlp_endpoint:
            sinks.append(await stack.enter_async_context(_exported(service, settings.otlp_endpoint)))
        configure_tracing(service, ratio=settings.trace_sample_ratio, sinks=tuple(sinks))
        stack.callback(configure_tracing, service, ratio=0.0)
        stack.enter_context(metrics_served(settings.metrics_host, settings.metrics_port, readings))
        yield


@asynccontextmanager
async def _written(database: "Database") -> AsyncIterator[Sink]:
    from groundplane.controlplane.traces import SpanWriter  # noqa: PLC0415  # only where there is a database

    writer = SpanWriter(database)
    running = asyncio.create_task(writer.run())
    try:
        yield writer.take
    finally:
        running.cancel()
        await writer.flush()


@asynccontextmanager
async def _exported(service: str, endpoint: str) -> AsyncIterator[Sink]:
    from groundplane.kernel.otlp import OtlpExport  # noqa: PLC0415  # OpenTelemetry is loaded only where it is wanted

    export = OtlpExport(service, endpoint)
    try:
        yield export.take
    finally:
        await asyncio.to_thread(export.close)
