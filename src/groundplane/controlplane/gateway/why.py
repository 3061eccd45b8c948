"""`GET …/{resource}/why`: why a resource is as it is, or why it is not there. Reads only."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from groundplane.controlplane import audit
from groundplane.controlplane.audit import AuditEvent
from groundplane.controlplane.fleet.host import HOST
from groundplane.controlplane.gateway.evidence import gather
from groundplane.controlplane.gateway.kinds import ReferencePath, Scope, answer, path_scope, scope_parameters, scope_path
from groundplane.controlplane.gateway.operation import Operation, operation
from groundplane.controlplane.gateway.people import People
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.standing import standing
from groundplane.controlplane.gateway.timeline import Entry, entries, refusal, refused
from groundplane.controlplane.gateway.views import JobReference, View, job_reference, public
from groundplane.controlplane.gateway.words import Words
from groundplane.controlplane.identity import permits_on_platform
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.resources import timeline
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.problems import ResourceNotFoundError
from groundplane.controlplane.resources.project import PROJECT
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.errors import NotFoundError

MOST = 500
"""So many entries at most: the newest."""

Newest = Annotated[int, Query(ge=1, le=MOST, description="How many entries at most: the newest.")]


class WhyEntry(View):
    """One thing that happened to a resource, or on the way to it."""

    at: datetime
    what: str = Field(
        description="requested, refused, claimed, created, changed, deleted, began, drifted, decided, resolved, "
        "or a line of a job's history: entered, asked, reported, retrying, succeeded, failed, …"
    )
    who: str | None = Field(description="The id of who asked for it; null for what nobody asked for.")
    who_name: str | None = Field(description="Their e-mail address, or the service account's name.")
    job_id: str | None
    step: str | None = Field(description="The step of the job.")
    sentence: str
    detail: dict[str, Any]


class WhySubject(View):
    """Which resource, and where it stands now; deleted ones too."""

    id: str
    kind: str
    name: str
    organization_id: str | None
    project_id: str | None
    status: str
    wanted: str
    host_id: str | None = Field(description="Which host it is on; operators only.")
    generation: int
    observed_generation: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    job: JobReference | None


class Why(View):
    """Why a resource is as it is: one causal timeline. Without a resource: why what was asked for by this name is not there."""

    name: str
    resource: WhySubject | None
    summary: str = Field(description="Where it stands and why, in one sentence.")
    entries: list[WhyEntry] = Field(description="Oldest first.")
    more: bool = Field(description="Whether there are older entries than these.")


class WhyRoute:
    """The route of one kind. One operation: authorization and a few bounded reads."""

    def __init__(self, services: Services, kind: Kind) -> None:
        self.services = services
        self.kind = kind

    def add_to(self, router: APIRouter) -> None:
        """Declare it."""
        path = f"{scope_path(self.kind)}/{self.kind.plural}/{{reference}}/why"
        router.add_api_route(
            path,
            self._why(),
            methods=["GET"],
            summary=f"Why this {self.kind.name.replace('_', ' ')} is as it is, or is not there",
            operation_id=f"{self.kind.name}_why",
            tags=[self.kind.plural],
            response_model=Why,
            openapi_extra={"x-permission": self.kind.permission("read"), **scope_parameters(path)},
        )

    def _why(self) -> Callable[..., Awaitable[Response]]:
        async def why(request: Request, reference: ReferencePath, limit: Newest = MOST) -> Response:
            scope = await self._scope(request, reference)
            async with operation(self.services, request, permission=self.kind.permission("read"), **scope.place) as op:
                words = Words(self.services.kinds, operator=await is_operator(op))
                resource = await timeline.find_ever(
                    op.tx, self.kind, self._project(scope), reference, organization_id=scope.organization_id
                )
                if resource is None:
                    body = await self._why_not(op, scope, reference, words, limit)
                else:
                    body = await self._why_so(op, resource, words, limit)
            return answer(body)

        return why

    async def _scope(self, request: Request, reference: str) -> Scope:
        """An organization or a project is its own scope, a deleted one too; of a project that never was, its organization's."""
        scope = path_scope(request)
        if self.kind not in {ORGANIZATION, PROJECT}:
            return scope
        async with self.services.database.transaction() as tx:
            found = await timeline.find_ever(tx, self.kind, None, reference, organization_id=scope.organization_id)
        if found is not None:
            return Scope(found.organization_id, found.project_id if found.deleted_at is None else None)
        if self.kind is ORGANIZATION:
            raise NotFoundError  # the same words as for one that is hidden
        return scope

    def _project(self, scope: Scope) -> UUID | None:
        return scope.project_id if self.kind.namespace == "tenant" else None

    async def _why_so(self, op: Operation, resource: Resource, words: Words, limit: int) -> dict[str, Any]:
        evidence = await gather(op.tx, self.kind, resource, limit=limit)
        words = replace(words, people=await People.of(op.tx, evidence.people()))
        found = entries(evidence, words)
        return {
            "name": resource.name,
            "resource": self._subject(resource, evidence.holder, words),
            "summary": standing(evidence, words),
            **_newest(found, limit, cut=evidence.cut),
        }

    async def _why_not(self, op: Operation, scope: Scope, name: str, words: Words, limit: int) -> dict[str, Any]:
        """Why there is nothing of this name: its refused creates. Raises ResourceNotFoundError when there were none."""
        attempts = await audit.refusals_of_name(
            op.tx,
            self.kind.permission("create"),
            name,
            organization_id=op.organization_id,
            project_id=self._project(scope),
            limit=limit + 1,
        )
        noun = self.kind.name.replace("_", " ")
        if not attempts:
            raise ResourceNotFoundError(f"There is no {noun} {name!r} here, and none was asked for. List what there is.")
        words = replace(words, people=await People.of(op.tx, (event.actor_id for event in attempts)))
        return {
            "name": name,
            "resource": None,
            "summary": _not_there(noun, name, attempts[0]),
            **_newest([refused(event, words) for event in reversed(attempts)], limit, cut=False),
        }

    def _subject(self, resource: Resource, holder: Job | None, words: Words) -> dict[str, Any]:
        return {
            "id": self.kind.public_id(resource.id),
            "kind": resource.kind,
            "name": resource.name,
            "organization_id": public(ORGANIZATION.prefix, resource.organization_id),
            "project_id": public(PROJECT.prefix, resource.project_id),
            "status": resource.status,
            "wanted": resource.wanted,
            "host_id": public(HOST.prefix, resource.host_id) if words.operator else None,
            "generation": resource.generation,
            "observed_generation": resource.observed_generation,
            "created_at": resource.created_at,
            "updated_at": resource.updated_at,
            "deleted_at": resource.deleted_at,
            "job": job_reference(holder),
        }


async def is_operator(op: Operation) -> bool:
    """Whether the actor may know where things are placed: who may read hosts."""
    return await permits_on_platform(op.tx, op.actor, HOST.permission("read"))


def _newest(found: Sequence[Entry], limit: int, *, cut: bool) -> dict[str, Any]:
    return {"entries": [entry.view() for entry in found[-limit:]], "more": cut or len(found) > limit}


def _not_there(noun: str, name: str, last: AuditEvent) -> str:
    return f"There is no {noun} {name!r}: the last request for it was refused with {refusal(last)}"


def why_router(services: Services, kinds: Sequence[Kind]) -> APIRouter:
    """The routes of these kinds."""
    router = APIRouter()
    for kind in kinds:
        WhyRoute(services, kind).add_to(router)
    return router
