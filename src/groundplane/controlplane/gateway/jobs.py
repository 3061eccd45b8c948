"""The routes of jobs: a project's own, and all of them for operators."""

import asyncio
import time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from groundplane.controlplane.gateway.kinds import Cursor, Limit, Scope, answer, resolve_scope, scope_parameters
from groundplane.controlplane.gateway.operation import operation
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import JOB_PREFIX, JobPage, JobView, job_view
from groundplane.controlplane.jobs import job as jobs
from groundplane.controlplane.resources.problems import ResourceNotFoundError
from groundplane.kernel.errors import InvalidRequestError
from groundplane.kernel.ids import parse_id

Wait = Annotated[float, Query(ge=0, le=30, description="Answer when the job moved or ended, or after so many seconds.")]
Seen = Annotated[int | None, Query(ge=0, description="How many of the job's steps are known: more of them end the wait.")]
ResourceFilter = Annotated[str | None, Query(max_length=80, description="Only jobs of this resource (its id).")]

POLL_SECONDS = 0.05


def job_router(services: Services, prefix: str) -> APIRouter:
    """`prefix` is where the jobs lie: below a project, or empty for all."""
    router = APIRouter(prefix=prefix, tags=["jobs"])
    extra: dict[str, Any] = scope_parameters(prefix)

    def opened(request: Request, scope: Scope, verb: str) -> Any:
        return operation(
            services,
            request,
            permission=f"jobs.job.{verb}",
            organization_id=scope.organization_id,
            project_id=scope.project_id,
        )

    @router.get(
        "/jobs", response_model=JobPage, summary="List jobs", operation_id="job_list",
        openapi_extra={"x-permission": "jobs.job.list", **extra},
    )  # fmt: skip
    async def list_jobs(
        request: Request, limit: Limit = 50, cursor: Cursor = None, resource: ResourceFilter = None
    ) -> Response:
        scope = await resolve_scope(services, request)
        after = _parse(cursor)
        resource_id = _any_id(services, resource)
        async with opened(request, scope, "list") as op:
            found = await jobs.page(op.tx, project_id=scope.project_id, resource_id=resource_id, after=after, limit=limit + 1)
        items = [job_view(services.manager.kinds, job) for job in found[:limit]]
        return answer({"items": items, "next": items[-1]["id"] if len(found) > limit else None})

    @router.get(
        "/jobs/{job_id}", response_model=JobView, summary="Read a job", operation_id="job_read",
        openapi_extra={"x-permission": "jobs.job.read", **extra},
    )  # fmt: skip
    async def read_job(request: Request, job_id: str, wait: Wait = 0, seen: Seen = None) -> Response:
        scope = await resolve_scope(services, request)
        number = parse_id(JOB_PREFIX, job_id)
        deadline = time.monotonic() + wait
        while True:
            async with opened(request, scope, "read") as op:
                job = await jobs.get(op.tx, number) if number else None
                if job is None or (scope.project_id is not None and job.project_id != scope.project_id):
                    raise ResourceNotFoundError(f"There is no job {job_id!r} here. List the jobs.")
                history = await jobs.history(op.tx, job.id)
            moved = seen is not None and len(history) != seen
            if moved or job.ended_at is not None or time.monotonic() >= deadline:
                return answer(job_view(services.manager.kinds, job, history))
            seen = len(history)
            await asyncio.sleep(POLL_SECONDS)

    return router


def _parse(cursor: str | None) -> UUID | None:
    after = parse_id(JOB_PREFIX, cursor) if cursor else None
    if cursor and after is None:
        raise InvalidRequestError("The cursor is not one of this list. Begin without a cursor.")
    return after


def _any_id(services: Services, text: str | None) -> UUID | None:
    if text is None:
        return None
    for kind in services.manager.kinds.values():
        value = parse_id(kind.prefix, text)
        if value is not None:
            return value
    raise InvalidRequestError(f"{text!r} is not the id of a resource.")
