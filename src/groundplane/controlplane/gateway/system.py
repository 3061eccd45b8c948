"""The route of the system's health: processes, queues, database and jobs, each as it says itself, or not at all."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import nats.errors
import structlog
from fastapi import APIRouter, Request, Response
from pydantic import Field

from groundplane.contracts.tasks import REPORTS_STREAM, TASKS_STREAM, consumer_cluster
from groundplane.controlplane.fleet import processes as fleet
from groundplane.controlplane.fleet.agent import AGENT
from groundplane.controlplane.fleet.cluster import CLUSTER
from groundplane.controlplane.gateway.kinds import answer
from groundplane.controlplane.gateway.operation import operation
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import View, public
from groundplane.controlplane.jobs import figures
from groundplane.kernel.bus import Queue
from groundplane.kernel.database import Row, Tx
from groundplane.kernel.ids import format_id

log = structlog.get_logger()

READ = "fleet.system.read"
PROCESS_PREFIX = "prc"
ALIVE_SECONDS = 30.0
BUS_SECONDS = 3.0


class ProcessView(View):
    """A process, as it was last heard of."""

    kind: Literal["api", "worker", "agent"]
    id: str
    name: str = Field(description="An agent's name, or machine and process id.")
    version: str | None
    started_at: datetime | None = Field(description="Agents do not say it.")
    last_seen: datetime | None = Field(description="Null for an agent that never came.")
    alive: bool = Field(description=f"It was heard of within {ALIVE_SECONDS:.0f} seconds.")


class QueueView(View):
    """What waits on the bus: a cluster's tasks for its agents, or (`reports`) what agents said for the workers."""

    queue: Literal["tasks", "reports"]
    cluster: str | None = Field(description="The cluster's id.")
    cluster_name: str | None
    waiting: int
    in_flight: int = Field(description="Handed out and not acknowledged.")
    oldest_seconds: float | None = Field(description="How old the oldest is that is not done with.")


class DatabaseView(View):
    """The database, as this api process finds it."""

    latency_ms: float = Field(description="Of a question that costs nothing.")
    bytes: int
    connections: int = Field(description="Everybody's.")
    connections_max: int


class JobFiguresView(View):
    """All jobs of the platform that have not ended."""

    past_deadline: int = Field(description="Its only healthy value is 0.")
    pending: int
    running: int
    retrying: int
    held: int = Field(description="Of the pending ones, those that a traffic rule holds up.")
    oldest_pending_seconds: float | None = Field(description="Of those that nobody holds up.")
    seconds_behind: float = Field(description="For how long the job has been due that waits longest for a worker.")


class SystemView(View):
    """How the platform itself is."""

    version: str = Field(description="Of the api process that answers.")
    processes: list[ProcessView]
    queues: list[QueueView] | None = Field(description="Null when the bus does not answer.")
    database: DatabaseView
    jobs: JobFiguresView


def system_router(services: Services) -> APIRouter:
    """One reading."""
    router = APIRouter(tags=["oversight"])

    @router.get(
        "/system", response_model=SystemView, summary="See how the platform itself is", operation_id="system_read",
        openapi_extra={"x-permission": READ},
    )  # fmt: skip
    async def system(request: Request) -> Response:
        async with operation(services, request, permission=READ) as op:
            view = {
                "version": fleet.VERSION,
                "processes": [_process_view(row) for row in await fleet.processes(op.tx)],
                "database": await _database_view(op.tx),
                "jobs": dict(await figures.all_open(op.tx)),
            }
            names = await _names_of_clusters(op.tx)
        return answer({**view, "queues": await _queue_views(services, names)})

    return router


def _process_view(row: Row) -> dict[str, Any]:
    prefix = AGENT.prefix if row["kind"] == "agent" else PROCESS_PREFIX
    silent = row["silent_seconds"]
    return {
        "kind": row["kind"],
        "id": format_id(prefix, row["id"]),
        "name": row["name"],
        "version": row["version"],
        "started_at": row["started_at"],
        "last_seen": row["last_seen"],
        "alive": silent is not None and silent < ALIVE_SECONDS,
    }


async def _database_view(tx: Tx) -> dict[str, Any]:
    began = time.perf_counter()
    await tx.value("SELECT 1")
    latency = time.perf_counter() - began
    row = await tx.one(
        """SELECT pg_database_size(current_database()) AS bytes, current_setting('max_connections')::int AS connections_max,
                  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections"""
    )
    return {"latency_ms": round(latency * 1000, 3), **row}


async def _names_of_clusters(tx: Tx) -> dict[UUID, str]:
    rows = await tx.fetch("SELECT id, name FROM resource WHERE kind = 'cluster' AND deleted_at IS NULL")
    return {row["id"]: row["name"] for row in rows}


async def _queue_views(services: Services, names: dict[UUID, str]) -> list[dict[str, Any]] | None:
    """Those of living clusters, by name, and the workers' own; outside of any transaction."""
    try:
        async with asyncio.timeout(BUS_SECONDS):
            reports, tasks = await asyncio.gather(services.bus.queues(REPORTS_STREAM), services.bus.queues(TASKS_STREAM))
    except (nats.errors.Error, TimeoutError) as error:
        log.warning("system.queues_not_read", error=repr(error))
        return None
    of_clusters = [
        (names[cluster_id], cluster_id, queue)
        for queue in tasks
        if (cluster_id := consumer_cluster(queue.consumer)) is not None and cluster_id in names
    ]
    of_clusters.sort(key=lambda each: each[0])
    return [
        *(_queue_view("reports", queue, None, None) for queue in reports),
        *(_queue_view("tasks", queue, cluster_id, name) for name, cluster_id, queue in of_clusters),
    ]


def _queue_view(name: str, queue: Queue, cluster_id: UUID | None, cluster_name: str | None) -> dict[str, Any]:
    age = (datetime.now(UTC) - queue.oldest_at).total_seconds() if queue.oldest_at else None
    return {
        "queue": name,
        "cluster": public(CLUSTER.prefix, cluster_id),
        "cluster_name": cluster_name,
        "waiting": queue.waiting,
        "in_flight": queue.in_flight,
        "oldest_seconds": None if age is None else max(0.0, age),
    }
