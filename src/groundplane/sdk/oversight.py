"""Looking at the whole: quota, audit log, drift, incidents, and how the hosts are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from urllib.parse import quote

from groundplane.sdk.paging import pages
from groundplane.sdk.records import Json
from groundplane.sdk.session import Call, Session


@dataclass(frozen=True)
class Usage:
    """How much of something a project or an organization uses, and how much it may. None: without limit."""

    used: int
    limit: int | None


Limits = Mapping[str, int | None]
"""By dimension (vms, vcpus, memory_mib, …) how much may be used. None: without limit."""


@dataclass(frozen=True)
class AuditEvent:
    """Who did, or tried, what to which resource, and how it ended: allowed, denied or failed."""

    id: str
    at: datetime
    action: str
    outcome: str
    code: str | None
    actor_id: str | None
    actor_kind: str
    organization_id: str | None
    project_id: str | None
    resource_kind: str | None
    resource_id: str | None
    request_id: str | None
    address: str | None
    detail: Json

    @classmethod
    def from_json(cls, body: Json) -> "AuditEvent":
        """An event as answered."""
        return cls(**{**_known(cls, body), "at": datetime.fromisoformat(body["at"])})


@dataclass(frozen=True)
class Drift:
    """A difference between what should be and what an engine holds; `fields` has both sides: {field: {wanted, observed}}."""

    id: str
    resource_id: str
    resource_kind: str
    resource_name: str | None
    organization_id: str | None
    project_id: str | None
    difference: str
    fields: Mapping[str, Json]
    source: str
    decision: str
    attempts: int
    job_id: str | None
    detected_at: datetime
    resolved_at: datetime | None

    @classmethod
    def from_json(cls, body: Json) -> "Drift":
        """A difference as answered."""
        times = {"detected_at": _time(body["detected_at"]), "resolved_at": _time(body.get("resolved_at"))}
        return cls(**{**_known(cls, body), **times})


@dataclass(frozen=True)
class Incident:
    """What a person should look at. It opens and closes by itself."""

    id: str
    code: str
    subject_kind: str | None
    subject_id: str | None
    detail: str
    context: Json
    opened_at: datetime
    closed_at: datetime | None

    @classmethod
    def from_json(cls, body: Json) -> "Incident":
        """An incident as answered."""
        times = {"opened_at": _time(body["opened_at"]), "closed_at": _time(body.get("closed_at"))}
        return cls(**{**_known(cls, body), **times})


@dataclass(frozen=True)
class HostHealth:
    """When a host was heard of, by the platform's clock, and what its agent saw of it. None: never."""

    host_id: str
    host_name: str
    cluster_id: str | None
    seen_at: datetime | None
    silent_seconds: float | None
    facts: Json | None
    agent: Json | None

    @classmethod
    def from_json(cls, body: Json) -> "HostHealth":
        """A host's health as answered."""
        return cls(**{**_known(cls, body), "seen_at": _time(body.get("seen_at"))})


class ProjectOversight:
    """What a project's people see of it. All calls raise ApiError and ConnectionFailedError."""

    def __init__(self, session: Session, scope: str) -> None:
        self._session = session
        self._scope = scope

    def quota(self) -> Mapping[str, Usage]:
        """What the project uses and may use, by dimension: vms, vcpus, memory_mib, …"""
        return read_quota(self._session, self._scope)

    def audit_events(self) -> Iterator[AuditEvent]:
        """The project's audit log, newest first."""
        return map(AuditEvent.from_json, pages(self._session, f"{self._scope}/audit-events"))

    def drift(self, *, open_only: bool = False) -> Iterator[Drift]:
        """The project's drift, newest first; also what is over, unless `open_only`."""
        return map(Drift.from_json, pages(self._session, f"{self._scope}/drift", {"open_only": _flag(open_only)}))


class PlatformOversight:
    """What operators see of everything, and the limits that they set. All calls raise ApiError and ConnectionFailedError."""

    def __init__(self, session: Session, scope: str) -> None:
        self._session = session
        self._scope = scope

    def audit_events(self) -> Iterator[AuditEvent]:
        """The whole audit log, newest first."""
        return map(AuditEvent.from_json, pages(self._session, f"{self._scope}/audit-events"))

    def drift(self, *, open_only: bool = False) -> Iterator[Drift]:
        """All drift, newest first; also what is over, unless `open_only`."""
        return map(Drift.from_json, pages(self._session, f"{self._scope}/drift", {"open_only": _flag(open_only)}))

    def incidents(self, *, open_only: bool = False) -> Iterator[Incident]:
        """Incidents, newest first; also those that are over, unless `open_only`."""
        return map(Incident.from_json, pages(self._session, f"{self._scope}/incidents", {"open_only": _flag(open_only)}))

    def hosts_health(self) -> Iterator[HostHealth]:
        """How every host is, oldest first."""
        return map(HostHealth.from_json, pages(self._session, f"{self._scope}/hosts-health"))

    def set_quota(self, project_id: str, limits: Limits, *, idempotency_key: str | None = None) -> Mapping[str, Usage]:
        """Replace a project's limits; dimensions that are not named get the platform's default."""
        return self._limit("PUT", f"projects/{quote(project_id, safe='')}", limits, idempotency_key)

    def change_quota(self, project_id: str, limits: Limits, *, idempotency_key: str | None = None) -> Mapping[str, Usage]:
        """Change limits of a project; dimensions that are not named stay as they are."""
        return self._limit("PATCH", f"projects/{quote(project_id, safe='')}", limits, idempotency_key)

    def set_organization_quota(
        self, organization_id: str, limits: Limits, *, idempotency_key: str | None = None
    ) -> Mapping[str, Usage]:
        """Replace the limits of all projects of an organization together; what is not named gets the platform's default."""
        return self._limit("PUT", f"organizations/{quote(organization_id, safe='')}", limits, idempotency_key)

    def change_organization_quota(
        self, organization_id: str, limits: Limits, *, idempotency_key: str | None = None
    ) -> Mapping[str, Usage]:
        """Change limits of all projects of an organization together; dimensions that are not named stay as they are."""
        return self._limit("PATCH", f"organizations/{quote(organization_id, safe='')}", limits, idempotency_key)

    def organization_quota(self, organization_id: str) -> Mapping[str, Usage]:
        """What all projects of an organization use, and may use, together."""
        return read_quota(self._session, f"{self._scope}/organizations/{quote(organization_id, safe='')}")

    def _limit(self, method: str, whose: str, limits: Limits, idempotency_key: str | None) -> Mapping[str, Usage]:
        call = Call(method, f"{self._scope}/{whose}/quota", json=dict(limits))
        return _quota(self._session.json(call, idempotency_key=idempotency_key))


def read_quota(session: Session, scope: str) -> Mapping[str, Usage]:
    """The quota of whatever has its path there."""
    return _quota(session.json(Call("GET", f"{scope}/quota")))


def _quota(body: Json) -> Mapping[str, Usage]:
    return {name: Usage(each["used"], each["limit"]) for name, each in body["dimensions"].items()}


def _known(record: Any, body: Json) -> Json:
    """The fields that the record has; a newer platform may say more."""
    names = [item.name for item in fields(record)]
    return {name: body[name] for name in names}


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _flag(value: bool) -> str:
    return "true" if value else "false"
