"""What the platform answers, as small frozen records. Fields that a newer platform adds are left out, not refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Json = Mapping[str, Any]
"""A JSON object as the platform sent it."""


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True)
class JobReference:
    """The job that carries a request on; `href` is where it is read."""

    id: str
    state: str
    href: str

    @classmethod
    def from_json(cls, body: Json) -> "JobReference":
        """The reference beside a resource."""
        return cls(body["id"], body["state"], body["href"])


@dataclass(frozen=True)
class Resource:
    """Anything that the platform keeps: `spec` is what should be, `observed` what is. `job` is changing it right now."""

    id: str
    kind: str
    name: str
    status: str
    wanted: str
    organization_id: str | None
    project_id: str | None
    labels: Mapping[str, str]
    spec: Json
    observed: Json
    provider_reference: str | None
    cluster_id: str | None
    host_id: str | None
    generation: int
    observed_generation: int
    revision: int
    created_at: datetime
    updated_at: datetime
    job: JobReference | None

    @classmethod
    def from_json(cls, body: Json) -> "Resource":
        """A resource as answered. Where it is placed is told to operators only."""
        return cls(
            id=body["id"],
            kind=body["kind"],
            name=body["name"],
            status=body["status"],
            wanted=body["wanted"],
            organization_id=body.get("organization_id"),
            project_id=body.get("project_id"),
            labels=body["labels"],
            spec=body["spec"],
            observed=body["observed"],
            provider_reference=body.get("provider_reference"),
            cluster_id=body.get("cluster_id"),
            host_id=body.get("host_id"),
            generation=body["generation"],
            observed_generation=body["observed_generation"],
            revision=body["revision"],
            created_at=datetime.fromisoformat(body["created_at"]),
            updated_at=datetime.fromisoformat(body["updated_at"]),
            job=JobReference.from_json(body["job"]) if body.get("job") else None,
        )


@dataclass(frozen=True)
class Bulk:
    """Resources that were made by one call, and the parent of their jobs; None: nothing is left to do."""

    resources: tuple[Resource, ...]
    job: JobReference | None

    @classmethod
    def from_json(cls, body: Json) -> "Bulk":
        """The answer to a call for many."""
        job = JobReference.from_json(body["job"]) if body.get("job") else None
        return cls(tuple(Resource.from_json(each) for each in body["items"]), job)


@dataclass(frozen=True)
class Change:
    """One line of a resource's history; `state` holds what is different after it."""

    at: datetime
    revision: int
    changed_by: str | None
    job_id: str | None
    reason: str
    state: Json

    @classmethod
    def from_json(cls, body: Json) -> "Change":
        """A line as answered."""
        return cls(
            at=datetime.fromisoformat(body["at"]),
            revision=body["revision"],
            changed_by=body.get("changed_by"),
            job_id=body.get("job_id"),
            reason=body["reason"],
            state=body["state"],
        )


@dataclass(frozen=True)
class WhyEntry:
    """One thing that happened to a resource, or on the way to it; `sentence` tells it, `detail` holds the numbers."""

    at: datetime
    what: str
    who: str | None
    job_id: str | None
    step: str | None
    sentence: str
    detail: Json

    @classmethod
    def from_json(cls, body: Json) -> "WhyEntry":
        """An entry as answered."""
        return cls(
            at=datetime.fromisoformat(body["at"]),
            what=body["what"],
            who=body.get("who"),
            job_id=body.get("job_id"),
            step=body.get("step"),
            sentence=body["sentence"],
            detail=body["detail"],
        )


@dataclass(frozen=True)
class Why:
    """Why a resource is as it is, oldest entry first. `resource` says where it stands; None: it is not there, and why.

    `more`: there are older entries than these.
    """

    name: str
    resource: Json | None
    summary: str
    entries: tuple[WhyEntry, ...] = field(repr=False)
    more: bool

    @classmethod
    def from_json(cls, body: Json) -> "Why":
        """The timeline as answered."""
        entries = tuple(WhyEntry.from_json(each) for each in body["entries"])
        return cls(body["name"], body.get("resource"), body["summary"], entries, body["more"])


@dataclass(frozen=True)
class JobStep:
    """One line of a job's history.

    `what`: entered, asked, unanswered, reported, retrying, retry_requested, cancelling, undoing, step_error, succeeded, failed.
    """

    at: datetime
    step: str
    attempt: int
    what: str
    detail: Json

    @classmethod
    def from_json(cls, body: Json) -> "JobStep":
        """A line as answered."""
        return cls(datetime.fromisoformat(body["at"]), body["step"], body["attempt"], body["what"], body["detail"])


@dataclass(frozen=True)
class JobError:
    """The last fault of a job: a stable code, whether it is transient or permanent, and a sentence to act on."""

    code: str
    fault_class: str
    message: str

    @classmethod
    def from_json(cls, body: Json) -> "JobError":
        """The fault as answered."""
        return cls(body["code"], body["fault_class"], body["message"])


@dataclass(frozen=True)
class JobFault:
    """A fault that a job met on its way: when, in which attempt at which step, and what as in JobError."""

    at: datetime
    step: str
    attempt: int
    code: str
    fault_class: str
    message: str

    @classmethod
    def from_json(cls, body: Json) -> "JobFault":
        """A fault as answered."""
        at = datetime.fromisoformat(body["at"])
        return cls(at, body["step"], body["attempt"], body["code"], body["fault_class"], body["message"])


@dataclass(frozen=True)
class Job:
    """One attempt at what is wanted of a resource; or, with verb `bulk`, the parent of many, which ends after them all.

    verb     create, update, delete, correct or bulk
    undoing  it was cancelled, and what it had done is being undone
    held     why it has not begun, if a rule of the operators holds it: rule_id, action, reason, until
    links    where what belongs to it is read: self, resource, parent, children
    steps    its history, and `errors` every fault that it met, in order; both only when it was read by itself
    """

    id: str
    workflow: str
    verb: str
    state: str
    resource_id: str
    resource_kind: str
    organization_id: str | None
    project_id: str | None
    step: str
    attempt: int
    error: JobError | None
    reason: str
    requested_by: str | None
    trace_id: str
    deadline: datetime
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    cancel_requested_at: datetime | None
    undoing: bool
    parent_id: str | None
    links: Mapping[str, str | None] = field(repr=False)
    held: Json | None = None
    steps: tuple[JobStep, ...] = field(default=(), repr=False)
    errors: tuple[JobFault, ...] = field(default=(), repr=False)

    @property
    def ended(self) -> bool:
        """Whether it succeeded or failed."""
        return self.state in {"SUCCEEDED", "FAILED"}

    @classmethod
    def from_json(cls, body: Json) -> "Job":
        """A job as answered."""
        return cls(
            id=body["id"],
            workflow=body["workflow"],
            verb=body["verb"],
            state=body["state"],
            resource_id=body["resource_id"],
            resource_kind=body["resource_kind"],
            organization_id=body.get("organization_id"),
            project_id=body.get("project_id"),
            step=body["step"],
            attempt=body["attempt"],
            error=JobError.from_json(body["error"]) if body.get("error") else None,
            reason=body["reason"],
            requested_by=body.get("requested_by"),
            trace_id=body["trace_id"],
            deadline=datetime.fromisoformat(body["deadline"]),
            created_at=datetime.fromisoformat(body["created_at"]),
            started_at=_time(body.get("started_at")),
            ended_at=_time(body.get("ended_at")),
            cancel_requested_at=_time(body.get("cancel_requested_at")),
            undoing=body["undoing"],
            parent_id=body.get("parent_id"),
            links=body["links"],
            held=body.get("held"),
            steps=tuple(JobStep.from_json(each) for each in body.get("steps") or ()),
            errors=tuple(JobFault.from_json(each) for each in body.get("errors") or ()),
        )


@dataclass(frozen=True)
class User:
    """Somebody who can log in, unless disabled."""

    id: str
    email: str
    name: str
    disabled_at: datetime | None
    created_at: datetime

    @classmethod
    def from_json(cls, body: Json) -> "User":
        """A user as answered."""
        return cls(
            id=body["id"],
            email=body["email"],
            name=body["name"],
            disabled_at=_time(body.get("disabled_at")),
            created_at=datetime.fromisoformat(body["created_at"]),
        )


@dataclass(frozen=True)
class RoleBinding:
    """A user, a group or a service account has a role: on the platform, in an organization, or in one of its projects.

    `expires_at`: from then on it gives nothing.
    """

    id: str
    user_id: str | None
    role: str
    organization_id: str | None
    project_id: str | None
    created_at: datetime
    group_id: str | None = None
    service_account_id: str | None = None
    expires_at: datetime | None = None

    @classmethod
    def from_json(cls, body: Json) -> "RoleBinding":
        """A binding as answered."""
        return cls(
            id=body["id"],
            user_id=body.get("user_id"),
            role=body["role"],
            organization_id=body.get("organization_id"),
            project_id=body.get("project_id"),
            created_at=datetime.fromisoformat(body["created_at"]),
            group_id=body.get("group_id"),
            service_account_id=body.get("service_account_id"),
            expires_at=_time(body.get("expires_at")),
        )


@dataclass(frozen=True)
class CustomRole:
    """A role of an organization's own: patterns of the permissions that it gives."""

    id: str
    name: str
    description: str
    permissions: tuple[str, ...]

    @classmethod
    def from_json(cls, body: Json) -> "CustomRole":
        """A role as answered."""
        return cls(body["id"], body["name"], body["description"], tuple(body["permissions"]))


@dataclass(frozen=True)
class Group:
    """Users of an organization who have roles together."""

    id: str
    name: str
    description: str

    @classmethod
    def from_json(cls, body: Json) -> "Group":
        """A group as answered."""
        return cls(body["id"], body["name"], body["description"])


@dataclass(frozen=True)
class Member:
    """A user in a group."""

    user_id: str
    email: str
    name: str

    @classmethod
    def from_json(cls, body: Json) -> "Member":
        """A member as answered."""
        return cls(body["user_id"], body["email"], body["name"])


@dataclass(frozen=True)
class ServiceAccount:
    """What a program acts as, unless disabled; `project_id`: it may have roles in that project alone."""

    id: str
    name: str
    description: str
    project_id: str | None
    disabled_at: datetime | None

    @classmethod
    def from_json(cls, body: Json) -> "ServiceAccount":
        """A service account as answered."""
        disabled_at = _time(body.get("disabled_at"))
        return cls(body["id"], body["name"], body["description"], body.get("project_id"), disabled_at)


@dataclass(frozen=True)
class Invitation:
    """Whoever has this e-mail address may have a role. `status`: open, accepted, revoked, expired.

    `token` is told only to who invites, and only once: pass it on.
    """

    id: str
    email: str
    role: str
    project_id: str | None
    status: str
    expires_at: datetime
    token: str | None = field(default=None, repr=False)

    @classmethod
    def from_json(cls, body: Json) -> "Invitation":
        """An invitation as answered."""
        return cls(
            id=body["id"],
            email=body["email"],
            role=body["role"],
            project_id=body.get("project_id"),
            status=body["status"],
            expires_at=datetime.fromisoformat(body["expires_at"]),
            token=body.get("token"),
        )


@dataclass(frozen=True)
class Access:
    """Whether a request would be let in: `through` which binding; else why not (`code`, `detail`) and what is `missing`."""

    allowed: bool
    code: str | None
    detail: str | None
    through: Json | None
    missing: Json | None

    @classmethod
    def from_json(cls, body: Json) -> "Access":
        """The check as answered."""
        return cls(body["allowed"], body.get("code"), body.get("detail"), body.get("through"), body.get("missing"))
