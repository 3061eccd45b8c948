"""The routes of jobs: a project's own, and all of them for operators."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from groundplane.controlplane.gateway.kinds import (
    CreatedAfter,
    CreatedBefore,
    Cursor,
    Limit,
    Scope,
    answer,
    cursor_uuid,
    page,
    path_scope,
    scope_parameters,
)
from groundplane.controlplane.gateway.operation import Operation, Reply, mutate, operation
from groundplane.controlplane.gateway.people import People
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import JOB_PREFIX, JobPage, JobView, job_view
from groundplane.controlplane.jobs import job as jobs
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.resources.problems import ResourceNotFoundError
from groundplane.kernel.errors import InvalidRequestError
from groundplane.kernel.ids import parse_id

Wait = Annotated[float, Query(ge=0, le=30, description="Answer when the job moved or ended, or after so many seconds.")]
Seen = Annotated[int | None, Query(ge=0, description="How many of the job's steps are known: more of them end the wait.")]
ResourceFilter = Annotated[str | None, Query(max_length=80, description="Only jobs of this resource (its id).")]

ParentFilter = Annotated[str | None, Query(max_length=80, description="Only the jobs of this parent (its id).")]
StateFilter = Annotated[str | None, Query(pattern="^(PENDING|RUNNING|RETRYING|SUCCEEDED|FAILED)$")]
VerbFilter = Annotated[Literal["create", "update", "delete", "correct", "bulk"] | None, Query()]
KindFilter = Annotated[
    str | None, Query(max_length=40, pattern=r"^[a-z_]+$", description="Only jobs of resources of this kind, such as vm.")
]

POLL_SECONDS = 0.05

Change = Callable[[Operation, Job], Awaitable[Job]]


def job_router(services: Services, prefix: str) -> APIRouter:
    """`prefix` is where the jobs lie: below a project, or empty for all."""
    router = APIRouter(prefix=prefix, tags=["jobs"])
    _add_reading(router, services, prefix)
    _add_changing(router, services, prefix)
    return router


def _extra(verb: str, prefix: str) -> dict[str, Any]:
    return {"x-permission": f"jobs.job.{verb}", **scope_parameters(prefix)}


def _opened(services: Services, request: Request, scope: Scope, verb: str) -> Any:
    return operation(services, request, permission=f"jobs.job.{verb}", project_id=scope.project_id)


def _add_reading(router: APIRouter, services: Services, prefix: str) -> None:
    @router.get(
        "/jobs", response_model=JobPage, summary="List jobs", operation_id="job_list", openapi_extra=_extra("list", prefix)
    )
    async def list_jobs(
        request: Request, limit: Limit = 50, cursor: Cursor = None, resource: ResourceFilter = None,
        parent: ParentFilter = None, state: StateFilter = None, verb: VerbFilter = None, kind: KindFilter = None,
        created_after: CreatedAfter = None, created_before: CreatedBefore = None,
    ) -> Response:  # fmt: skip
        scope = path_scope(request)
        async with _opened(services, request, scope, "list") as op:
            found = await jobs.page(
                op.tx,
                project_id=scope.project_id,
                resource_id=_any_id(services, resource),
                parent_id=_parse(parent, "That is not the id of a job."),
                state=state,
                verb=verb,
                resource_kind=kind,
                created_after=created_after,
                created_before=created_before,
                after=cursor_uuid(JOB_PREFIX, cursor),
                limit=limit + 1,
            )
            people = await People.of(op.tx, (job.requested_by for job in found))
        return page(found, limit, lambda job: job_view(services.kinds, job, people))

    @router.get(
        "/jobs/{job_id}", response_model=JobView, summary="Read a job", operation_id="job_read",
        openapi_extra=_extra("read", prefix),
    )  # fmt: skip
    async def read_job(request: Request, job_id: str, wait: Wait = 0, seen: Seen = None) -> Response:
        scope = path_scope(request)
        deadline = time.monotonic() + wait
        while True:
            async with _opened(services, request, scope, "read") as op:
                job = await find_job(op, scope, job_id)
                history = await jobs.history(op.tx, job.id)
                people = await People.of(op.tx, [job.requested_by])
            moved = seen is not None and len(history) != seen
            if moved or job.ended_at is not None or request.state.ending or time.monotonic() >= deadline:
                return answer(job_view(services.kinds, job, people, history))
            seen = len(history)
            await asyncio.sleep(POLL_SECONDS)


def _add_changing(router: APIRouter, services: Services, prefix: str) -> None:
    @router.post(
        "/jobs/{job_id}/cancel", response_model=JobView, status_code=202, summary="Cancel a job", operation_id="job_cancel",
        openapi_extra=_extra("cancel", prefix),
    )  # fmt: skip
    async def cancel_job(request: Request, job_id: str) -> Response:
        """What the job wanted is taken back at once; what it has done is undone. It ends FAILED with code `cancelled`."""

        async def cancel(op: Operation, job: Job) -> Job:
            return await services.manager.engine.cancel(op.tx, job.id, requested_by=op.actor.id)

        return await _change(services, request, job_id, "cancel", cancel)

    @router.post(
        "/jobs/{job_id}/retry", response_model=JobView, status_code=202, summary="Try a job again", operation_id="job_retry",
        openapi_extra=_extra("retry", prefix),
    )  # fmt: skip
    async def retry_job(request: Request, job_id: str) -> Response:
        """A job that waits for its next try does not wait any longer; one that failed is followed by another attempt."""

        async def retry(op: Operation, job: Job) -> Job:
            return await services.manager.retry(op.tx, job.id, actor_id=op.actor.id)

        return await _change(services, request, job_id, "retry", retry)


async def _change(services: Services, request: Request, job_id: str, verb: str, change: Change) -> Response:
    scope = path_scope(request)

    async def work(op: Operation) -> Reply:
        found = await find_job(op, scope, job_id)
        op.resource_kind, op.resource_id = found.resource_kind, found.resource_id
        op.detail = {"job": job_id, "workflow": found.workflow}
        job = await change(op, found)
        people = await People.of(op.tx, [job.requested_by])
        return Reply(job_view(services.kinds, job, people, await jobs.history(op.tx, job.id)), 202)

    return await mutate(services, request, work, permission=f"jobs.job.{verb}", project_id=scope.project_id)


async def find_job(op: Operation, scope: Scope, text: str) -> Job:
    """The job of a path. Raises ResourceNotFoundError, also for what is another project's."""
    number = parse_id(JOB_PREFIX, text)
    job = await jobs.get(op.tx, number) if number else None
    if job is None or (scope.project_id is not None and job.project_id != scope.project_id):
        raise ResourceNotFoundError(f"There is no job {text!r} here. List the jobs.")
    return job


def _parse(text: str | None, complaint: str) -> UUID | None:
    number = parse_id(JOB_PREFIX, text) if text else None
    if text and number is None:
        raise InvalidRequestError(complaint)
    return number


def _any_id(services: Services, text: str | None) -> UUID | None:
    if text is None:
        return None
    for kind in services.manager.kinds.values():
        value = parse_id(kind.prefix, text)
        if value is not None:
            return value
    raise InvalidRequestError(f"{text!r} is not the id of a resource.")
