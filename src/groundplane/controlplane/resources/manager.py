"""Admission: what a request about a resource does in its one transaction. The front door of this service for writing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel

from groundplane.controlplane.jobs import job as jobs
from groundplane.controlplane.jobs.bulk import GATHER
from groundplane.controlplane.jobs.engine import ChangeInProgressError, Engine, JobNotFoundError, Start
from groundplane.controlplane.jobs.job import Job, Verb
from groundplane.controlplane.jobs.workflow import Workflow
from groundplane.controlplane.resources import links, quota, store
from groundplane.controlplane.resources.kind import Action, Creation, Draft, Kind
from groundplane.controlplane.resources.problems import (
    BeingDeletedError,
    InUseError,
    NotRetryableError,
    ResourceNotFoundError,
    UnchangeableError,
)
from groundplane.controlplane.resources.resource import COLUMNS, Resource, Status
from groundplane.controlplane.resources.states import StateKeeper
from groundplane.kernel.database import ForeignKeyViolationError, Tx, UniqueViolationError
from groundplane.kernel.ids import format_id, new_id

CORRECTION = "drift correction"
DECIDED_CORRECTION = "drift correction that a person decided"
"""The reason of jobs that nobody asked for: any wish of a user supersedes them."""

MOST_AT_ONCE = 1000
"""How many resources one request may make."""


@dataclass(frozen=True)
class Outcome:
    """What a request made or changed, and the job that carries it on (None: it is done)."""

    resource: Resource
    job: Job | None


@dataclass(frozen=True)
class BulkOutcome:
    """What one request made, and the parent of the jobs that carry it on (None: it is done)."""

    resources: Sequence[Resource]
    parent: Job | None


class SecretKeeper(Protocol):
    """Where secrets of resources lie, sealed, in versions. The caller holds the resource, or makes it."""

    async def keep(self, tx: Tx, resource_id: UUID, organization_id: UUID | None, plain: bytes, /) -> UUID:
        """Store the first version; its id is what may travel."""

    async def keep_next(self, tx: Tx, resource_id: UUID, organization_id: UUID | None, plain: bytes, /) -> int:
        """Store the next version; its number."""


@dataclass(frozen=True)
class ResourceManager:
    """Creates, changes and deletes resources of every kind. `kinds` by name."""

    kinds: Mapping[str, Kind]
    engine: Engine
    states: StateKeeper
    secrets: SecretKeeper

    async def create(
        self,
        tx: Tx,
        kind: Kind,
        request: BaseModel,
        *,
        name: str,
        labels: Mapping[str, str],
        actor_id: UUID | None,
        organization_id: UUID | None,
        project_id: UUID | None,
        resource_id: UUID | None = None,
    ) -> Outcome:
        """Admit a new resource. Raises the kind's errors, NameTakenError, QuotaExceededError."""
        draft = Draft(resource_id or new_id(), name, organization_id, project_id)
        creation = Creation(tx, self, actor_id, labels, [draft])
        (resource,) = await self._admit(creation, kind, request)
        job = await self._start_create(creation, kind, resource, draft) if kind.on_create else None
        self._claim_quota(creation)
        return Outcome(resource, job)

    async def create_many(
        self,
        tx: Tx,
        kind: Kind,
        request: BaseModel,
        *,
        name: str,
        count: int,
        labels: Mapping[str, str],
        actor_id: UUID | None,
        organization_id: UUID | None,
        project_id: UUID | None,
    ) -> BulkOutcome:
        """Admit `count` resources, `name`-1 to `name`-`count`, all or none of them, each with a job under one parent."""
        drafts = [Draft(new_id(), f"{name}-{number}", organization_id, project_id) for number in range(1, count + 1)]
        scope_id = store.scope_of(kind, organization_id, project_id)
        await store.refuse_taken(tx, kind, scope_id, [draft.name for draft in drafts])
        creation = Creation(tx, self, actor_id, labels, drafts)
        resources = await self._admit(creation, kind, request)
        parent = None
        if kind.on_create is not None and project_id is not None:
            parent = await self._start_parent(creation, f"create {count} {kind.plural}", organization_id, project_id)
            for resource, draft in zip(resources, drafts, strict=True):
                await self._start_create(creation, kind, resource, draft, parent_id=parent.id)
        self._claim_quota(creation)
        return BulkOutcome(resources, parent)

    async def create_parts(self, whole: Creation, kind: Kind, request: BaseModel, *, suffix: str) -> Sequence[Draft]:
        """A part for each resource that is being made, named after it, and made by its job."""
        drafts = [
            Draft(
                new_id(), _part(draft.name, suffix), draft.organization_id, draft.project_id,
                cluster_id=draft.cluster_id, host_id=draft.host_id,
            )
            for draft in whole.drafts
        ]  # fmt: skip
        creation = Creation(whole.tx, self, whole.actor_id, {}, drafts)
        specs = await kind.admit(creation, request)
        # Their rows come after the whole's: should both names be taken, the refusal speaks of the one that the user chose.
        whole.written.append(lambda: self._write(creation, kind, specs))
        for draft, part in zip(whole.drafts, drafts, strict=True):
            draft.parts += [part.id, *part.parts]
        whole.quota |= creation.quota | {draft.id: kind.takes(spec) for draft, spec in zip(drafts, specs, strict=True)}
        return drafts

    async def update(
        self,
        tx: Tx,
        kind: Kind,
        resource: Resource,
        *,
        name: str | None,
        labels: Mapping[str, str] | None,
        request: BaseModel | None,
        actor_id: UUID | None,
    ) -> Outcome:
        """Change name, labels and spec. Raises the kind's errors, ChangeInProgressError, BeingDeletedError."""
        if request is not None:
            await self._yield_correction(tx, resource.id)
        resource = await self._lock_wanted(tx, resource.id)
        if name is not None or labels is not None:
            await self._rename(tx, kind, resource, name, labels, actor_id)
        if request is None:
            return Outcome(await store.load(tx, resource.id), None)
        if kind.revise is None:
            raise UnchangeableError
        spec = await kind.revise(tx, resource, request)
        if (plain := kind.keeps(request)) is not None:
            await self.secrets.keep_next(tx, resource.id, resource.organization_id, plain)
        return await self._respec(tx, kind, resource.id, spec.model_dump(mode="json"), actor_id, f"update {kind.name}")

    async def act(self, tx: Tx, kind: Kind, resource: Resource, action: Action, *, actor_id: UUID | None) -> Outcome:
        """Carry out one of the kind's own verbs, as a change of its spec."""
        await self._yield_correction(tx, resource.id)
        spec = action.apply(await self._lock_wanted(tx, resource.id))
        return await self._respec(tx, kind, resource.id, spec, actor_id, f"{action.verb} {kind.name}")

    async def delete(self, tx: Tx, kind: Kind, resource: Resource, *, actor_id: UUID | None) -> Outcome:
        """Want it gone, with what it owns. Raises InUseError. A second delete answers with the running job."""
        running = await jobs.holder(tx, resource.id)
        if (await store.load(tx, resource.id)).wanted == "present":
            await self._supersede(tx, running, kind)
        resource = await self.lock(tx, resource.id)
        if resource.deleted_at is not None:
            raise ResourceNotFoundError
        running = await jobs.holder(tx, resource.id)
        if resource.wanted == "absent" and running is not None:  # another delete, perhaps of a moment ago
            return Outcome(resource, running)
        owned = await kind.owned(tx, resource)
        for child in owned:
            await self._supersede(tx, await jobs.holder(tx, child.id), kind)
        # Held before the links go: who deletes a part by itself holds it, and waits for its links.
        owned = [await self.lock(tx, child.id) for child in sorted(owned, key=lambda each: each.id)]
        await store.unlink(tx, resource.id, [child.id for child in owned])
        for leaving in sorted((resource, *owned), key=lambda each: each.id):  # rows are locked in one order everywhere
            await self._want_absent(tx, leaving, actor_id)
        if kind.on_delete is None:
            await self.states.bury(tx, [await self.lock(tx, resource.id)], job_id=None, changed_by=actor_id)
            return Outcome(await store.load(tx, resource.id), None)
        touching = [resource.id, *(child.id for child in owned)]
        wish = _wish(kind.on_delete, "delete", resource, touching, actor_id, f"delete {kind.name}")
        job = await self._start_change(tx, wish)
        return Outcome(await store.load(tx, resource.id), job)

    async def correct(
        self, tx: Tx, kind: Kind, resource: Resource, *, actor_id: UUID | None = None, reason: str = CORRECTION
    ) -> Job | None:
        """Start the job that brings the engine back to what is wanted; None if the kind has no such road.

        The caller has locked the resource's row. Raises ChangeInProgressError.
        """
        workflow = kind.on_delete if resource.wanted == "absent" else kind.on_update or kind.on_create
        if workflow is None:
            return None
        return await self._start_change(tx, _wish(workflow, "correct", resource, [resource.id], actor_id, reason))

    async def retry(self, tx: Tx, job_id: UUID, *, actor_id: UUID | None) -> Job:
        """Another attempt at what a failed job was for, or at once the next try of one that waits for it.

        Raises JobNotFoundError, NotRetryableError, ChangeInProgressError.
        """
        job = (await jobs.lock(tx, [job_id])).get(job_id)
        if job is None:
            raise JobNotFoundError
        if job.ended_at is None:
            if job.held is not None:
                raise NotRetryableError(f"The job has not begun: the operators hold it up. {job.held['reason']}")
            if job.state != "RETRYING":
                raise NotRetryableError(f"The job is {job.state}: it is at work already. Wait for it, or cancel it.")
            return await self.engine.retry_now(tx, job)
        kind = self.kinds[job.resource_kind]
        if job.state != "FAILED" or job.verb == "bulk":
            raise NotRetryableError(f"The job is {job.state}; only single jobs that failed are tried again.")
        resource = await self.lock(tx, job.resource_id)
        workflow = {"delete": kind.on_delete, "create": kind.on_create}.get(job.verb, kind.on_update or kind.on_create)
        if resource.deleted_at is not None or (resource.wanted == "absent") != (job.verb == "delete") or workflow is None:
            raise NotRetryableError("What the job was for is not wanted any more. Ask for it anew.")
        parts = await kind.owned(tx, resource) if job.verb in {"create", "delete"} else ()
        for part in sorted(parts, key=lambda each: each.id):
            await self.lock(tx, part.id)
        touching = [resource.id, *(part.id for part in parts)]
        wish = _wish(workflow, job.verb, resource, touching, actor_id, f"retry of {job.workflow}")
        return await self._start_change(tx, wish)

    async def keep_secret(self, tx: Tx, draft: Draft, plain: bytes) -> UUID:
        """Store a secret of a resource, sealed; its id is what may travel."""
        return await self.secrets.keep(tx, draft.id, draft.organization_id, plain)

    async def lock(self, tx: Tx, resource_id: UUID) -> Resource:
        """The resource, held until the transaction ends."""
        row = await tx.one(f"SELECT {COLUMNS} FROM resource WHERE id = $1 FOR UPDATE", resource_id)  # noqa: S608
        return Resource.from_row(row)

    async def _admit(self, creation: Creation, kind: Kind, request: BaseModel) -> Sequence[Resource]:
        specs = await kind.admit(creation, request)
        resources = self._write(creation, kind, specs)
        for write_parts in creation.written:
            write_parts()
        creation.quota |= {draft.id: kind.takes(spec) for draft, spec in zip(creation.drafts, specs, strict=True)}
        if kind.on_create is None:
            for resource in resources:
                await self.states.observe(creation.tx, resource, {}, reason="created")
        return resources

    def _write(self, creation: Creation, kind: Kind, specs: Sequence[BaseModel]) -> Sequence[Resource]:
        status: Status = "active" if kind.on_create is None else "creating"
        return [
            store.insert(creation.tx, kind, creation, draft, spec.model_dump(mode="json"), status=status)
            for draft, spec in zip(creation.drafts, specs, strict=True)
        ]

    def _claim_quota(self, creation: Creation) -> None:
        if creation.project_id is not None:
            quota.claim(creation.tx, creation.project_id, creation.drafts[0].organization_id, creation.quota)

    async def _start_parent(self, creation: Creation, reason: str, organization_id: UUID | None, project_id: UUID) -> Job:
        wish = Start(
            workflow=GATHER,
            verb="bulk",
            resource_id=project_id,
            resource_kind="project",
            organization_id=organization_id,
            project_id=project_id,
            touching=(),
            requested_by=creation.actor_id,
            reason=reason,
        )
        return await self.engine.start(creation.tx, wish)

    async def _start_create(
        self, creation: Creation, kind: Kind, resource: Resource, draft: Draft, *, parent_id: UUID | None = None
    ) -> Job:
        assert kind.on_create is not None  # noqa: S101  # asked by the callers
        touching, reason = [draft.id, *draft.parts], f"create {kind.name}"
        wish = _wish(kind.on_create, "create", resource, touching, creation.actor_id, reason, parent_id=parent_id)
        job = await self.engine.start(creation.tx, wish)  # what is new, no other job can be changing
        for part_id in draft.parts:
            if (fresh := creation.tx.pending("resource", part_id)) is not None:
                fresh["job_id"] = job.id  # so that its journal says what it came with
        return job

    async def _start_change(self, tx: Tx, wish: Start) -> Job:
        """Start a job on what is there already. Raises ChangeInProgressError; the caller has locked the rows it touches."""
        for resource_id in wish.touching:
            other = await jobs.holder(tx, resource_id)
            if other is not None:
                text = format_id("job", other.id)
                raise ChangeInProgressError(
                    f"Job {text} is changing this resource. Wait until it ended, or delete the resource.", context={"job": text}
                )
        return await self.engine.start(tx, wish)

    async def _respec(
        self, tx: Tx, kind: Kind, resource_id: UUID, spec: Mapping[str, Any], actor_id: UUID | None, reason: str
    ) -> Outcome:
        status = "updating" if kind.on_update else "active"
        row = await tx.one(
            f"""UPDATE resource SET spec = $2, generation = generation + 1, status = $3, changed_by = $4, reason = $5,
                       observed_generation = CASE WHEN $3 = 'active' THEN generation + 1 ELSE observed_generation END
                WHERE id = $1 RETURNING {COLUMNS}""",  # noqa: S608  # our own columns
            resource_id,
            spec,
            status,
            actor_id,
            reason,
        )
        resource = Resource.from_row(row)
        if kind.on_update is None:
            return Outcome(resource, None)
        job = await self._start_change(tx, _wish(kind.on_update, "update", resource, [resource_id], actor_id, reason))
        return Outcome(await store.load(tx, resource_id), job)

    async def _rename(
        self,
        tx: Tx,
        kind: Kind,
        resource: Resource,
        name: str | None,
        labels: Mapping[str, str] | None,
        actor_id: UUID | None,
    ) -> None:
        try:
            async with tx.savepoint():
                await tx.execute(
                    """UPDATE resource SET name = coalesce($2, name), labels = coalesce($3, labels), changed_by = $4,
                              reason = $5 WHERE id = $1""",
                    resource.id,
                    name,
                    labels,
                    actor_id,
                    f"update {kind.name}",
                )
        except UniqueViolationError as error:
            raise store.name_taken(kind.name, name or resource.name) from error
        if labels is not None:
            await tx.execute("DELETE FROM label WHERE resource_id = $1", resource.id)
            store.write_labels(tx, kind, resource.id, resource.organization_id, labels)

    async def _want_absent(self, tx: Tx, resource: Resource, actor_id: UUID | None) -> None:
        try:
            async with tx.savepoint():
                tx.update("resource", resource.id, {**store.absent(resource), "changed_by": actor_id, "reason": "delete"})
        except ForeignKeyViolationError as error:
            await self._refuse_in_use(tx, resource, error)

    async def _refuse_in_use(self, tx: Tx, resource: Resource, error: Exception) -> None:
        users = await links.users(tx, resource.id, limit=20)
        named = [f"{row['kind'].replace('_', ' ')} {row['name']}" for row in users]
        context = {
            "used_by": [
                {"id": self.kinds[row["kind"]].public_id(row["id"]), "kind": row["kind"], "name": row["name"]} for row in users
            ]
        }
        raise InUseError(
            f"{resource.name} is used by {', '.join(named)}. Delete or detach that first.", context=context
        ) from error

    async def _supersede(self, tx: Tx, running: Job | None, kind: Kind) -> None:
        if running is not None:
            await self.engine.supersede(tx, running.id, reason=f"delete {kind.name}")

    async def _yield_correction(self, tx: Tx, resource_id: UUID) -> None:
        running = await jobs.holder(tx, resource_id)
        if running is not None and running.reason in {CORRECTION, DECIDED_CORRECTION}:
            await self.engine.supersede(tx, running.id, reason="a newer wish")

    async def _lock_wanted(self, tx: Tx, resource_id: UUID) -> Resource:
        """The resource, held; after its job, as everywhere. Raises BeingDeletedError, ResourceNotFoundError."""
        resource = await self.lock(tx, resource_id)
        if resource.deleted_at is not None:
            raise ResourceNotFoundError
        if resource.wanted == "absent":
            raise BeingDeletedError
        return resource


def _wish(
    workflow: Workflow,
    verb: Verb,
    resource: Resource,
    touching: Sequence[UUID],
    actor_id: UUID | None,
    reason: str,
    *,
    parent_id: UUID | None = None,
) -> Start:
    return Start(
        workflow=workflow,
        verb=verb,
        resource_id=resource.id,
        resource_kind=resource.kind,
        organization_id=resource.organization_id,
        project_id=resource.project_id,
        cluster_id=resource.cluster_id,
        touching=touching,
        requested_by=actor_id,
        reason=reason,
        parent_id=parent_id,
    )


def _part(name: str, suffix: str) -> str:
    return f"{name[: 62 - len(suffix)].rstrip('-')}-{suffix}"
