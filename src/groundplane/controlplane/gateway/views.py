"""How resources and jobs look from outside: public ids, the common attributes, the kind's own spec and observed state."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, create_model

from groundplane.controlplane.fleet.cluster import CLUSTER
from groundplane.controlplane.fleet.host import HOST
from groundplane.controlplane.gateway.people import People
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.jobs.traffic import RULE_PREFIX
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.organization import ORGANIZATION
from groundplane.controlplane.resources.project import PROJECT
from groundplane.controlplane.resources.resource import Resource
from groundplane.kernel.database import Row
from groundplane.kernel.ids import format_id
from groundplane.kernel.telemetry import trace_id

JOB_PREFIX = "job"


class View(BaseModel):
    """Something that is answered."""

    model_config = ConfigDict(extra="forbid")


class JobReference(View):
    """The job that carries a request on: follow `href`."""

    id: str = Field(description="The job's id.")
    state: Literal["PENDING", "RUNNING", "RETRYING", "SUCCEEDED", "FAILED"] = Field(description="How far it is.")
    href: str = Field(description="Where it is read.")


class ResourceView(View):
    """The attributes that all resources share."""

    id: str = Field(description="Its id, for good.")
    kind: str = Field(description="What it is.")
    organization_id: str | None = Field(description="Whose it is; null for the platform's own.")
    project_id: str | None = Field(description="In which project it is; null for what lies above projects.")
    name: str = Field(description="Its name, unique among the living of its kind.")
    status: Literal["creating", "active", "updating", "deleting", "deleted", "error"] = Field(
        description="How it is; `error`: its last job failed, and is tried again."
    )
    wanted: Literal["present", "absent"] = Field(description="Whether it should be there; a delete wants it absent.")
    labels: dict[str, str] = Field(description="What people and programs mark it with.")
    provider_reference: str | None = Field(description="What its engine calls it.")
    cluster_id: str | None = Field(default=None, description="Where it is; operators only.")
    host_id: str | None = Field(default=None, description="Which host it is on; operators only.")
    generation: int = Field(description="Counts changes of what is wanted.")
    observed_generation: int = Field(description="The last generation that an engine confirmed.")
    revision: int = Field(description="Counts every change.")
    created_at: datetime = Field(description="When it was asked for.")
    updated_at: datetime = Field(description="When anything of it changed last.")
    job: JobReference | None = Field(default=None, description="The job that is at work on it; null: none is.")


def view_model(kind: Kind) -> type[ResourceView]:
    """The kind's own view: `Vm`, `SecurityGroup`, …"""
    title = kind.name.title().replace("_", "")
    return create_model(
        title,
        __base__=ResourceView,
        __doc__=kind.summary,
        spec=(kind.spec, Field(description="What should be.")),
        observed=(kind.observed, Field(description="What is.")),
    )


def page_model(kind: Kind, view: type[ResourceView]) -> type[View]:
    """A page of the kind's views."""
    return create_model(
        f"{view.__name__}Page",
        __base__=View,
        __doc__=f"A page of {kind.plural}.",
        items=(list[view], ...),  # type: ignore[valid-type]  # made at run time
        next=(str | None, Field(description="The cursor of the next page; null on the last.")),
    )


def bulk_model(kind: Kind, view: type[ResourceView]) -> type[View]:
    """What a request for many of the kind is answered with."""
    return create_model(
        f"{view.__name__}Bulk",
        __base__=View,
        __doc__=f"{kind.plural.capitalize()} that were made by one request, and the parent of their jobs.",
        items=(list[view], ...),  # type: ignore[valid-type]  # made at run time
        job=(JobReference | None, ...),
    )


def public(prefix: str, value: UUID | None) -> str | None:
    """A public id, or None for none."""
    return format_id(prefix, value) if value else None


def resource_view(kind: Kind, resource: Resource, *, job: Job | None = None, operator: bool = False) -> dict[str, Any]:
    """The resource as answered. Where it is placed is told to operators only."""
    return {
        "id": kind.public_id(resource.id),
        "kind": resource.kind,
        "organization_id": public(ORGANIZATION.prefix, resource.organization_id),
        "project_id": public(PROJECT.prefix, resource.project_id),
        "name": resource.name,
        "status": resource.status,
        "wanted": resource.wanted,
        "labels": resource.labels,
        "provider_reference": resource.provider_reference,
        "cluster_id": public(CLUSTER.prefix, resource.cluster_id) if operator else None,
        "host_id": public(HOST.prefix, resource.host_id) if operator else None,
        "generation": resource.generation,
        "observed_generation": resource.observed_generation,
        "revision": resource.revision,
        "created_at": resource.created_at,
        "updated_at": resource.updated_at,
        "job": job_reference(job),
        "spec": kind.spec.model_validate(resource.spec).model_dump(mode="json"),
        "observed": kind.observed.model_validate(resource.observed).model_dump(mode="json"),
    }


def job_reference(job: Job | None) -> dict[str, Any] | None:
    """The short form of a job beside its resource."""
    if job is None:
        return None
    return {"id": format_id(JOB_PREFIX, job.id), "state": job.state, "href": _job_href(job, job.id)}


class JobStep(View):
    """One line of a job's history.

    `what`: entered, asked, unanswered, reported, retrying, retry_requested, cancelling, undoing, step_error, held, released,
    succeeded, failed.
    """

    at: datetime = Field(description="When, by the database's clock.")
    step: str = Field(description="The step of the workflow.")
    attempt: int = Field(description="Which try of that step.")
    what: str = Field(description="What happened: entered, asked, reported, retrying, succeeded …")
    detail: dict[str, Any] = Field(description="Its particulars: operations, the engines' calls, the fault.")


class JobLinks(View):
    """Where what belongs to a job is read. `resource` is null for a parent of many."""

    self: str = Field(description="The job.")
    resource: str | None = Field(description="What it changes.")
    parent: str | None = Field(description="The job that it is a part of.")
    children: str | None = Field(description="The jobs that it is the parent of.")


class JobFault(View):
    """What went wrong: a stable code, whether another try may mend it (transient or permanent), and a sentence to act on."""

    code: str = Field(description="Stable, to decide by.")
    fault_class: str = Field(description="`transient`: another try may mend it; `permanent`: none will.")
    message: str = Field(description="What went wrong, and what to do.")


class JobError(JobFault):
    """A fault that the job met, in its order."""

    at: datetime = Field(description="When, by the database's clock.")
    step: str = Field(description="In which step.")
    attempt: int = Field(description="At which try of it.")


class JobHold(View):
    """Why a job has not begun: a rule of the operators holds it, until the rule ends or lets it through, in its turn."""

    rule_id: str = Field(description="The rule.")
    action: Literal["pause", "rate", "concurrency"] = Field(description="What it does.")
    reason: str = Field(description="The sentence of whoever made it.")
    until: datetime | None = Field(description="When the rule expires; the job looks again then, or sooner if there is room.")


class JobView(View):
    """One attempt at what is wanted of a resource; or, with verb `bulk`, the parent of many."""

    id: str = Field(description="The job's id.")
    workflow: str = Field(description="Which workflow it runs, such as `vm.create`.")
    verb: Literal["create", "update", "delete", "correct", "bulk"] = Field(
        description="What was asked; `correct`: nobody did, it mends drift."
    )
    state: Literal["PENDING", "RUNNING", "RETRYING", "SUCCEEDED", "FAILED"] = Field(description="How far it is.")
    organization_id: str | None = Field(description="Whose it is; null for the platform's own.")
    project_id: str | None = Field(description="In which project.")
    resource_id: str = Field(description="What it changes.")
    resource_kind: str = Field(description="Of which kind that is.")
    step: str = Field(description="The step that it is in.")
    attempt: int = Field(description="Which try of that step.")
    error: JobFault | None = Field(description="The last fault.")
    reason: str = Field(description="Why it is.")
    requested_by: str | None = Field(description="The id of who asked; null for the platform itself.")
    requested_by_name: str | None = Field(description="Their e-mail address, or the service account's name.")
    trace_id: str = Field(description="Its trace, the request's own.")
    next_at: datetime | None = Field(description="When it is looked at again, if nothing happens before.")
    deadline: datetime = Field(description="When it will have ended, one way or the other.")
    created_at: datetime = Field(description="When it was asked for.")
    started_at: datetime | None = Field(description="When it began.")
    ended_at: datetime | None = Field(description="When it ended; null: it has not.")
    cancel_requested_at: datetime | None = Field(description="When somebody cancelled it.")
    held: JobHold | None = Field(description="The traffic rule that keeps the job from beginning.")
    undoing: bool = Field(description="It was cancelled, and what it had done is being undone.")
    parent_id: str | None = Field(description="The job that it is a part of.")
    links: JobLinks = Field(description="Where what belongs to it is read.")
    steps: list[JobStep] = Field(default_factory=list, description="What happened, in order; only on a single job.")
    errors: list[JobError] = Field(default_factory=list, description="Every fault, in order; only on a single job.")


class JobPage(View):
    """A page of jobs, newest first."""

    items: list[JobView]
    next: str | None


def job_view(kinds: Mapping[str, Kind], job: Job, people: People, history: Sequence[Row] = ()) -> dict[str, Any]:
    """The job as answered."""
    return {
        "id": format_id(JOB_PREFIX, job.id),
        "workflow": job.workflow,
        "verb": job.verb,
        "state": job.state,
        "organization_id": public(ORGANIZATION.prefix, job.organization_id),
        "project_id": public(PROJECT.prefix, job.project_id),
        "resource_id": kinds[job.resource_kind].public_id(job.resource_id),
        "resource_kind": job.resource_kind,
        "step": job.step,
        "attempt": job.attempt,
        "error": job.error,
        "reason": job.reason,
        "requested_by": people.id(job.requested_by),
        "requested_by_name": people.name(job.requested_by),
        "trace_id": trace_id(job.trace),
        "next_at": job.next_at,
        "deadline": job.deadline,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "cancel_requested_at": job.cancel_requested_at,
        "held": _hold_view(job),
        "undoing": job.undoing,
        "parent_id": public(JOB_PREFIX, job.parent_id),
        "links": _links(kinds, job),
        "steps": [dict(row) for row in history],
        "errors": [
            {"at": row["at"], "step": row["step"], "attempt": row["attempt"], **row["detail"]["fault"]}
            for row in history
            if row["what"] in {"retrying", "failed"} and row["detail"].get("fault")
        ],
    }


def _hold_view(job: Job) -> dict[str, Any] | None:
    if job.held is None:
        return None
    rule_id = format_id(RULE_PREFIX, UUID(str(job.held["rule"])))
    return {"rule_id": rule_id, "action": job.held["action"], "reason": job.held["reason"], "until": job.next_at}


def _links(kinds: Mapping[str, Kind], job: Job) -> dict[str, str | None]:
    own, kind = _job_href(job, job.id), kinds[job.resource_kind]
    place = f"{kind.namespace}/v1"
    if kind.namespace == "tenant":
        place += f"/projects/{public(PROJECT.prefix, job.project_id)}"
    resource = f"/api/{place}/{kind.plural}/{kind.public_id(job.resource_id)}"
    return {
        "self": own,
        "resource": None if job.verb == "bulk" else resource,
        "parent": _job_href(job, job.parent_id) if job.parent_id else None,
        "children": f"{own.rpartition('/')[0]}?parent={format_id(JOB_PREFIX, job.id)}" if job.verb == "bulk" else None,
    }


def _job_href(job: Job, job_id: UUID) -> str:
    project = public(PROJECT.prefix, job.project_id)
    return f"/api/{f'tenant/v1/projects/{project}' if project else 'ops/v1'}/jobs/{format_id(JOB_PREFIX, job_id)}"
