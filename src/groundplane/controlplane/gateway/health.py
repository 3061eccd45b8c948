"""Liveness and readiness. Says nothing else about the inside."""

import asyncio
from collections.abc import Awaitable

import structlog
from fastapi import APIRouter, Response
from pydantic_core import to_json

from groundplane.controlplane.gateway.services import Services

log = structlog.get_logger()

READY_SECONDS = 1.0


def health_router(services: Services) -> APIRouter:
    """`/healthz`: this process serves. `/readyz`: what it stands on answers, too."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> Response:
        return _json({"status": "ok"}, 200)

    @router.get("/readyz")
    async def readyz() -> Response:
        database, bus = await asyncio.gather(_answers("database", _ask_database(services)), _answers("bus", _ask_bus(services)))
        return _json({"ready": database and bus, "database": database, "bus": bus}, 200 if database and bus else 503)

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
