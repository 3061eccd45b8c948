"""Dry runs: what a call would do. Nothing of it is done."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from groundplane.sdk.calls import Calls, Labels
from groundplane.sdk.records import Json
from groundplane.sdk.session import Call, Session


@dataclass(frozen=True)
class PlannedResource:
    """A resource that would be made or changed. `changes` are its fields as they would be, `host_id` its chosen host."""

    id: str
    kind: str
    name: str
    host_id: str | None
    host_name: str | None
    changes: Json

    @classmethod
    def from_json(cls, body: Json) -> "PlannedResource":
        """A resource as answered."""
        return cls(body["id"], body["kind"], body["name"], body.get("host_id"), body.get("host_name"), body["changes"])


@dataclass(frozen=True)
class PlannedJob:
    """A job that would be started, and the steps of its workflow."""

    workflow: str
    resource_id: str
    steps: tuple[str, ...]

    @classmethod
    def from_json(cls, body: Json) -> "PlannedJob":
        """A job as answered."""
        return cls(body["workflow"], body["resource_id"], tuple(body["steps"]))


@dataclass(frozen=True)
class QuotaEffect:
    """What a dimension of a quota is, what it would be, and what it may be. None: without limit."""

    used: int
    after: int
    limit: int | None


@dataclass(frozen=True)
class DryRun:
    """What a call would do, and the HTTP `status` it would be answered with.

    The counts are true; `created`, `changed` and `jobs` hold the first hundred each. `quota` has the dimensions that would
    change of the project's quota, `organization_quota` those of its organization's.
    """

    status: int
    created_count: int
    created: tuple[PlannedResource, ...]
    changed_count: int
    changed: tuple[PlannedResource, ...]
    jobs_count: int
    jobs: tuple[PlannedJob, ...]
    quota: Mapping[str, QuotaEffect]
    organization_quota: Mapping[str, QuotaEffect]

    @classmethod
    def from_json(cls, body: Json) -> "DryRun":
        """The plan as answered."""
        return cls(
            status=body["status"],
            created_count=body["created_count"],
            created=tuple(PlannedResource.from_json(each) for each in body["created"]),
            changed_count=body["changed_count"],
            changed=tuple(PlannedResource.from_json(each) for each in body["changed"]),
            jobs_count=body["jobs_count"],
            jobs=tuple(PlannedJob.from_json(each) for each in body["jobs"]),
            quota=_effects(body["quota"]),
            organization_quota=_effects(body.get("organization_quota", {})),
        )


def _effects(body: Json) -> Mapping[str, QuotaEffect]:
    return {name: QuotaEffect(each["used"], each["after"], each["limit"]) for name, each in body.items()}


class DryRuns:
    """The verbs of a collection, tried only: what would be refused raises the ApiError of its refusal."""

    def __init__(self, session: Session, calls: Calls) -> None:
        self._session = session
        self._calls = calls

    def create(self, name: str, spec: Json | None = None, labels: Labels | None = None) -> DryRun:
        """If one were made."""
        return self._try(self._calls.create(name, spec, labels))

    def create_many(self, name: str, count: int, spec: Json | None = None, labels: Labels | None = None) -> DryRun:
        """If many were made."""
        return self._try(self._calls.create_many(name, count, spec, labels))

    def update(self, ref: str, *, name: str | None = None, labels: Labels | None = None, spec: Json | None = None) -> DryRun:
        """If it were changed."""
        return self._try(self._calls.update(ref, name, labels, spec))

    def delete(self, ref: str) -> DryRun:
        """If it were deleted."""
        return self._try(self._calls.delete(ref))

    def act(self, ref: str, verb: str) -> DryRun:
        """If the verb were done."""
        return self._try(self._calls.act(ref, verb))

    def _try(self, call: Call) -> DryRun:
        return DryRun.from_json(self._session.json(replace(call, query={"dry_run": "true"})))
