"""The routes of oversight: audit log, drift and what is decided about it, incidents, how the hosts are and what is on them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime, Field, StringConstraints

from groundplane.controlplane import audit
from groundplane.controlplane.audit import AuditEvent, Outcome
from groundplane.controlplane.compute.vm import VM
from groundplane.controlplane.fleet import oversight
from groundplane.controlplane.fleet.agent import AGENT
from groundplane.controlplane.fleet.cluster import CLUSTER
from groundplane.controlplane.fleet.decisions import DriftNotFoundError, decide
from groundplane.controlplane.fleet.host import HOST
from groundplane.controlplane.gateway.identity.shapes import PREFIXES as IDENTITY_PREFIXES
from groundplane.controlplane.gateway.kinds import (
    ClusterFilter,
    CreatedAfter,
    CreatedBefore,
    Cursor,
    Limit,
    NameFilter,
    ReferencePath,
    cursor_uuid,
    filter_id,
    page,
    path_scope,
    scope_parameters,
)
from groundplane.controlplane.gateway.operation import Operation, Reply, mutate, operation
from groundplane.controlplane.gateway.people import People
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.views import JOB_PREFIX, View, public
from groundplane.controlplane.identity import USER_PREFIX
from groundplane.controlplane.jobs.traffic import RULE_PREFIX
from groundplane.controlplane.resources import store
from groundplane.controlplane.resources.fields import Strict, Text
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT
from groundplane.kernel.database import Row
from groundplane.kernel.errors import FieldProblem, InvalidRequestError
from groundplane.kernel.ids import format_id, parse_id

DRIFT_PREFIX = "drf"
INCIDENT_PREFIX = "inc"
AUDIT_PREFIX = "aud"
REPORT_PREFIX = "rpt"

AUDIT_LIST = "audit.event.list"
DRIFT_LIST = "reconciler.drift.list"
DRIFT_DECIDE = "reconciler.drift.decide"
INCIDENT_LIST = "reconciler.incident.list"
HEALTH_READ = "fleet.health.read"
HOST_MACHINES = VM.permission("list")
"""They are tenants' machines: who may list those may, on the whole platform."""

PROJECT_PATH = "/projects/{project_id}"

OpenOnly = Annotated[bool, Query(description="Only what is not over; false for all that ever was.")]
ActionFilter = Annotated[
    str | None, Query(max_length=80, pattern=r"^[a-z_.]+$", description="Only of this permission, as `compute.vm.create`.")
]
OutcomeFilter = Annotated[Outcome | None, Query()]
ActorFilter = Annotated[str | None, Query(max_length=80, description="Only what this user or other actor did (its id).")]
ResourceFilter = Annotated[str | None, Query(max_length=80, description="Only what is about this resource (its id).")]
KindFilter = Annotated[str | None, Query(max_length=40, pattern=r"^[a-z_]+$", description="Only resources of this kind.")]
DecisionFilter = Annotated[Literal["correct", "alert", "ignore"] | None, Query(description="Only of what this becomes.")]
DriftPath = Annotated[str, Path(max_length=80, pattern=r"^[a-z0-9_]+$")]
DifferenceFilter = Annotated[Literal["missing", "orphan", "modified", "wrong_state"] | None, Query()]
CodeFilter = Annotated[str | None, Query(max_length=80, pattern=r"^[a-z_]+$", description="Only incidents of this code.")]


class AuditEventView(View):
    """Who did, or tried, what to which resource, and how it ended."""

    id: str
    at: datetime
    action: str
    outcome: str
    code: str | None = Field(description="The stable code of the problem that answered, if one did.")
    actor_id: str | None
    actor_name: str | None = Field(description="A user's e-mail address, or a service account's name.")
    actor_kind: str
    organization_id: str | None
    project_id: str | None
    resource_kind: str | None
    resource_id: str | None
    request_id: str | None
    address: str | None
    detail: dict[str, Any]


class DriftView(View):
    """A difference between what should be and what an engine holds, both sides field by field."""

    id: str
    resource_id: str
    resource_kind: str
    resource_name: str | None
    organization_id: str | None
    project_id: str | None
    difference: str = Field(description="missing, orphan, modified, wrong_state.")
    fields: dict[str, Any] = Field(description="{field: {wanted, observed}}")
    source: str = Field(description="How it was noticed: event, inventory.")
    decision: Literal["correct", "alert", "ignore"] = Field(
        description="What becomes of it: a job corrects it; a person is to decide; nothing, since a person decided so."
    )
    decided_by: str | None = Field(description="Who decided, if a person did; operators only.")
    decided_at: datetime | None
    reason: str | None = Field(description="Why they decided so.")
    until: datetime | None = Field(description="Until when it is ignored; null: as long as it differs just so.")
    attempts: int
    next_at: datetime = Field(description="No correction is started before.")
    job_id: str | None = Field(description="The last correction.")
    detected_at: datetime
    resolved_at: datetime | None


class DecideDrift(Strict):
    """A person's decision. It is about this difference: when the resource differs otherwise, it is over."""

    decision: Literal["correct", "ignore"] = Field(
        description="`correct`: by the ordinary job, at once. `ignore`: neither corrected nor alerted."
    )
    until: Annotated[AwareDatetime, Field(strict=False)] | None = Field(
        default=None,
        description="Until when it is ignored; else as long as it lasts. With an offset: 2030-01-31T12:00:00Z.",
    )
    reason: Annotated[Text, StringConstraints(min_length=1)]


class IncidentView(View):
    """What a person should look at. It opens and closes by itself."""

    id: str
    code: str
    subject_kind: str | None
    subject_id: str | None
    detail: str
    context: dict[str, Any]
    opened_at: datetime
    closed_at: datetime | None


class AgentHealth(View):
    """The agent that a host was last heard of by."""

    id: str
    version: str | None
    seen_at: datetime | None
    silent_seconds: float | None


class Share(View):
    """How much of something is given away."""

    claimed: int
    total: int


class HostCapacity(View):
    """How much of a host is given away; of disk, in all its pools."""

    vcpus: Share
    memory_mib: Share
    disk_gib: Share


class HostHealth(View):
    """When a host was heard of, what its agent saw, and how full it is. What was heard is null for one that never was."""

    host_id: str
    host_name: str
    cluster_id: str | None
    seen_at: datetime | None
    silent_seconds: float | None
    facts: dict[str, Any] | None = Field(description="reachable, reason, vcpus, memory_mib, vms, virtualization.")
    agent: AgentHealth | None
    open: bool = Field(description="New machines are placed on it.")
    capacity: HostCapacity


class HostMachine(View):
    """A machine as operators see it on its host; the size is what it holds of the host."""

    id: str
    name: str
    status: str
    power: str | None = Field(description="Whether it runs, by its engine; null while that is not known.")
    vcpus: int
    memory_mib: int
    project_id: str | None
    project_name: str | None
    organization_id: str | None
    organization_name: str | None
    created_at: datetime


class AuditPage(View):
    """A page of the audit log, newest first."""

    items: list[AuditEventView]
    next: str | None


class DriftPage(View):
    """A page of drift, newest first."""

    items: list[DriftView]
    next: str | None


class IncidentPage(View):
    """A page of incidents, newest first."""

    items: list[IncidentView]
    next: str | None


class HostHealthPage(View):
    """A page of hosts, oldest first."""

    items: list[HostHealth]
    next: str | None


class HostMachinePage(View):
    """A page of a host's machines, oldest first."""

    items: list[HostMachine]
    next: str | None


def tenant_router(services: Services) -> APIRouter:
    """What a project's people see of it."""
    router = APIRouter(prefix=PROJECT_PATH, tags=["oversight"])
    _add_audit_log(router, services, PROJECT_PATH)
    _add_drift(router, services, PROJECT_PATH)
    return router


def ops_router(services: Services) -> APIRouter:
    """What operators see of the whole platform."""
    router = APIRouter(tags=["oversight"])
    _add_audit_log(router, services, "")
    _add_drift(router, services, "")
    _add_decision(router, services)
    _add_incidents(router, services)
    _add_host_health(router, services)
    _add_host_machines(router, services)
    return router


def _add_audit_log(router: APIRouter, services: Services, prefix: str) -> None:
    @router.get(
        "/audit-events", response_model=AuditPage, summary="Read the audit log", operation_id="audit_event_list",
        openapi_extra=_extra(AUDIT_LIST, prefix),
    )  # fmt: skip
    async def list_audit_events(
        request: Request, limit: Limit = 50, cursor: Cursor = None, action: ActionFilter = None, outcome: OutcomeFilter = None,
        actor: ActorFilter = None, resource: ResourceFilter = None, created_after: CreatedAfter = None,
        created_before: CreatedBefore = None,
    ) -> Response:  # fmt: skip
        before = cursor_uuid(AUDIT_PREFIX, cursor)
        scope = path_scope(request)
        async with operation(services, request, permission=AUDIT_LIST, **scope.place) as op:
            found = await audit.page(
                op.tx,
                project_id=scope.project_id,
                resource_id=filter_id(services.kinds.values(), "resource", resource),
                actor_id=_actor_id(actor),
                action=action,
                outcome=outcome,
                since=created_after,
                until=created_before,
                before=before,
                limit=limit + 1,
            )
            people = await People.of(op.tx, (event.actor_id for event in found))
        return page(found, limit, lambda event: _audit_view(services, event, people))


def _add_drift(router: APIRouter, services: Services, prefix: str) -> None:
    @router.get(
        "/drift", response_model=DriftPage, summary="List drift", operation_id="drift_list",
        openapi_extra=_extra(DRIFT_LIST, prefix),
    )  # fmt: skip
    async def list_drift(
        request: Request, limit: Limit = 50, cursor: Cursor = None, open_only: OpenOnly = True,
        resource: ResourceFilter = None, kind: KindFilter = None, difference: DifferenceFilter = None,
        decision: DecisionFilter = None, created_after: CreatedAfter = None,
        created_before: CreatedBefore = None,
    ) -> Response:  # fmt: skip
        after = cursor_uuid(DRIFT_PREFIX, cursor)
        scope = path_scope(request)
        async with operation(services, request, permission=DRIFT_LIST, **scope.place) as op:
            found = await oversight.drift_page(
                op.tx,
                project_id=scope.project_id,
                open_only=open_only,
                resource_id=filter_id(services.kinds.values(), "resource", resource),
                kind=kind,
                difference=difference,
                decision=decision,
                since=created_after,
                until=created_before,
                after=after,
                limit=limit + 1,
            )
        return page(found, limit, lambda row: _drift_view(services, row, operator=not prefix))


def _add_decision(router: APIRouter, services: Services) -> None:
    @router.post(
        "/drift/{drift_id}/decide", response_model=DriftView, summary="Decide about drift", operation_id="drift_decide",
        openapi_extra=_extra(DRIFT_DECIDE),
    )  # fmt: skip
    async def decide_drift(request: Request, drift_id: DriftPath, body: DecideDrift) -> Response:
        """Have it corrected at once, by the ordinary job and past the brake; or ignored, for a while or as long as it lasts."""

        async def work(op: Operation) -> Reply:
            op.detail = {"drift": drift_id, **body.model_dump(mode="json", exclude_none=True)}
            number = parse_id(DRIFT_PREFIX, drift_id)
            if number is None:
                raise DriftNotFoundError
            decided = await decide(
                op.tx, services.manager, number, body.decision, until=body.until, reason=body.reason, actor=op.actor
            )
            op.resource_kind, op.resource_id = decided["kind"], decided["resource_id"]
            return Reply(_drift_view(services, await oversight.drift_row(op.tx, number), operator=True))

        return await mutate(services, request, work, permission=DRIFT_DECIDE)


def _add_incidents(router: APIRouter, services: Services) -> None:
    @router.get(
        "/incidents", response_model=IncidentPage, summary="List incidents", operation_id="incident_list",
        openapi_extra=_extra(INCIDENT_LIST),
    )  # fmt: skip
    async def list_incidents(
        request: Request, limit: Limit = 50, cursor: Cursor = None, open_only: OpenOnly = True, code: CodeFilter = None,
        created_after: CreatedAfter = None, created_before: CreatedBefore = None,
    ) -> Response:  # fmt: skip
        after = cursor_uuid(INCIDENT_PREFIX, cursor)
        async with operation(services, request, permission=INCIDENT_LIST) as op:
            found = await oversight.incident_page(
                op.tx, open_only=open_only, code=code, since=created_after, until=created_before, after=after, limit=limit + 1
            )
        return page(found, limit, lambda row: _incident_view(services, row))


def _add_host_health(router: APIRouter, services: Services) -> None:
    @router.get(
        "/hosts-health", response_model=HostHealthPage, summary="See how the hosts are", operation_id="host_health_list",
        openapi_extra=_extra(HEALTH_READ),
    )  # fmt: skip
    async def list_host_health(
        request: Request, limit: Limit = 50, cursor: Cursor = None, cluster: ClusterFilter = None, name: NameFilter = None
    ) -> Response:
        cluster_id = filter_id([CLUSTER], "cluster", cluster)
        after = cursor_uuid(HOST.prefix, cursor)
        async with operation(services, request, permission=HEALTH_READ) as op:
            found = await oversight.host_health_page(op.tx, cluster_id=cluster_id, name=name, after=after, limit=limit + 1)
        return page(found, limit, _health_view, key="host_id")


def _add_host_machines(router: APIRouter, services: Services) -> None:
    @router.get(
        "/hosts/{reference}/vms", response_model=HostMachinePage, summary="List the machines on a host",
        operation_id="host_vms", openapi_extra=_extra(HOST_MACHINES),
    )  # fmt: skip
    async def list_host_machines(
        request: Request, reference: ReferencePath, limit: Limit = 50, cursor: Cursor = None
    ) -> Response:
        after = cursor_uuid(VM.prefix, cursor)
        async with operation(services, request, permission=HOST_MACHINES) as op:
            host = await store.get(op.tx, HOST, None, reference)
            found = await oversight.machines_of_host(op.tx, host.id, after=after, limit=limit + 1)
        return page(found, limit, _machine_view)


def _extra(permission: str, prefix: str = "") -> dict[str, Any]:
    return {"x-permission": permission, **scope_parameters(prefix)}


def _actor_id(text: str | None) -> UUID | None:
    """Whoever acts has an id that ends in a UUID: users, service accounts, agents."""
    found = parse_id(text.partition("_")[0], text) if text else None
    if text and found is None:
        detail = f"{text!r} is not the id of somebody who acts."
        raise InvalidRequestError(errors=[FieldProblem(pointer="/query/actor", detail=detail)])
    return found


def _public_id(services: Services, kind: str | None, value: UUID | None) -> str | None:
    """The public id of anything that has a kind: a resource, or what is none."""
    if kind is None or value is None:
        return None
    known = services.manager.kinds.get(kind)
    return known.public_id(value) if known else format_id(_OTHER_PREFIXES.get(kind, kind), value)


_OTHER_PREFIXES = {
    "user": USER_PREFIX,
    **IDENTITY_PREFIXES,
    "job": JOB_PREFIX,
    "drift": DRIFT_PREFIX,
    "report": REPORT_PREFIX,
    "traffic_rule": RULE_PREFIX,
}


def _audit_view(services: Services, event: AuditEvent, people: People) -> dict[str, Any]:
    return {
        "id": format_id(AUDIT_PREFIX, event.id),
        "at": event.at,
        "action": event.action,
        "outcome": event.outcome,
        "code": event.code,
        "actor_id": _public_id(services, event.actor_kind, event.actor_id),
        "actor_name": people.name(event.actor_id),
        "actor_kind": event.actor_kind,
        "organization_id": public(ORGANIZATION.prefix, event.organization_id),
        "project_id": public(PROJECT.prefix, event.project_id),
        "resource_kind": event.resource_kind,
        "resource_id": _public_id(services, event.resource_kind, event.resource_id),
        "request_id": event.request_id,
        "address": event.address,
        "detail": event.detail,
    }


def _drift_view(services: Services, row: Row, *, operator: bool) -> dict[str, Any]:
    return {
        "id": format_id(DRIFT_PREFIX, row["id"]),
        "resource_id": _public_id(services, row["kind"], row["resource_id"]),
        "resource_kind": row["kind"],
        "resource_name": row["name"],
        "organization_id": public(ORGANIZATION.prefix, row["organization_id"]),
        "project_id": public(PROJECT.prefix, row["project_id"]),
        "job_id": public(JOB_PREFIX, row["job_id"]),
        "decided_by": _public_id(services, row["decided_by_kind"], row["decided_by"]) if operator else None,
        "reason": row["decided_reason"],
        "until": row["ignored_until"],
        **{name: row[name] for name in _DRIFT_AS_IT_IS},
    }


_DRIFT_AS_IT_IS = (
    "difference", "fields", "source", "decision", "decided_at", "attempts", "next_at", "detected_at", "resolved_at",
)  # fmt: skip


def _incident_view(services: Services, row: Row) -> dict[str, Any]:
    return {
        "id": format_id(INCIDENT_PREFIX, row["id"]),
        "code": row["code"],
        "subject_kind": row["subject_kind"],
        "subject_id": _public_id(services, row["subject_kind"], row["subject_id"]),
        "detail": row["detail"],
        "context": {name: _public_value(services, name, value) for name, value in row["context"].items()},
        "opened_at": row["opened_at"],
        "closed_at": row["closed_at"],
    }


def _public_value(services: Services, name: str, value: Any) -> Any:
    """Ids in a context are named `KIND_id`."""
    kind, found, rest = name.rpartition("_id")
    if not found or rest or not isinstance(value, str):
        return value
    try:
        return _public_id(services, kind, UUID(value))
    except ValueError:
        return value


def _health_view(row: Row) -> dict[str, Any]:
    agent = {
        "id": public(AGENT.prefix, row["agent_id"]),
        "version": row["agent_version"],
        "seen_at": row["agent_seen_at"],
        "silent_seconds": row["agent_silent_seconds"],
    }
    return {
        "host_id": HOST.public_id(row["id"]),
        "host_name": row["name"],
        "cluster_id": public(CLUSTER.prefix, row["cluster_id"]),
        "seen_at": row["seen_at"],
        "silent_seconds": row["silent_seconds"],
        "facts": row["facts"],
        "agent": agent if row["agent_id"] else None,
        "open": bool(row["open"]),
        "capacity": {
            "vcpus": _share(row["vcpus_used"], row["vcpus"]),
            "memory_mib": _share(row["memory_used"], row["memory_mib"]),
            "disk_gib": _share(row["gib_used"], row["gib"]),
        },
    }


def _share(claimed: int | None, total: int | None) -> dict[str, int]:
    """A host that is on its way out has no capacity any more."""
    return {"claimed": claimed or 0, "total": total or 0}


def _machine_view(row: Row) -> dict[str, Any]:
    return {
        "id": VM.public_id(row["id"]),
        "project_id": public(PROJECT.prefix, row["project_id"]),
        "organization_id": public(ORGANIZATION.prefix, row["organization_id"]),
        **{name: row[name] for name in _MACHINE_AS_IT_IS},
    }


_MACHINE_AS_IT_IS = (
    "name", "status", "power", "vcpus", "memory_mib", "project_name", "organization_name", "created_at",
)  # fmt: skip
