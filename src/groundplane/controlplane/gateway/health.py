"""Liveness, readiness, and the one figure that an operator's alarm watches. Says nothing else about the inside."""

import asyncio
from collections.abc import Awaitable

import structlog
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from pydantic_core import to_json

from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.jobs import job as jobs

log = structlog.get_logger()

READY_SECONDS = 1.0


def health_router(services: Services) -> APIRouter:
    """`/healthz`: this process serves. `/readyz`: what it stands on answers, too. `/metrics`: `jobs_past_deadline`."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> Response:
        return _json({"status": "ok"}, 200)

    @router.get("/readyz")
    async def readyz() -> Response:
        database, bus = await asyncio.gather(_answers("database", _ask_database(services)), _answers("bus", _ask_bus(services)))
        return _json({"ready": database and bus, "database": database, "bus": bus}, 200 if database and bus else 503)

    @router.get("/metrics")
    async def metrics() -> Response:
        """Prometheus' text format."""
        async with services.database.transaction() as tx:
            past_deadline = await jobs.past_deadline(tx)
        registry = CollectorRegistry()
        gauge = Gauge("jobs_past_deadline", "Jobs that have not ended though their deadline has passed.", registry=registry)
        gauge.set(past_deadline)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


async def _answers(part: str, question: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(READY_SECONDS):
            await question
    except Exception as error:  # whatever is wrong with it, it does not answer
        log.warning("health.not_ready", part=part, error=repr(error))
        return False
    return True


async def _ask_database(services: Services) -> None:
    async with services.database.transaction() as tx:
        await tx.value("SELECT 1")


async def _ask_bus(services: Services) -> None:
    if not services.bus.nats.is_connected:
        raise ConnectionError("not connected")
    await services.bus.nats.flush(timeout=1)


def _json(body: object, status: int) -> Response:
    return Response(to_json(body), status, media_type="application/json")
