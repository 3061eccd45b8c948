"""Admission: what a request about a resource does in its one transaction. The front door of this service for writing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from groundplane.controlplane.jobs import job as jobs
from groundplane.controlplane.jobs.engine import Engine
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.jobs.workflow import Workflow
from groundplane.controlplane.resources import quota, store
from groundplane.controlplane.resources.kind import Action, Creation, Kind
from groundplane.controlplane.resources.problems import (
    BeingDeletedError,
    InUseError,
    NameTakenError,
    ResourceNotFoundError,
    UnchangeableError,
)
from groundplane.controlplane.resources.resource import COLUMNS, Resource
from groundplane.controlplane.resources.states import StateKeeper
from groundplane.kernel.database import ForeignKeyViolationError, Tx, UniqueViolationError
from groundplane.kernel.ids import new_id
from groundplane.kernel.secrets import SecretBox

CORRECTION = "drift correction"
"""The reason of jobs that nobody asked for: any wish of a user supersedes them."""


@dataclass(frozen=True)
class Outcome:
    """What a request made or changed, and the job that carries it on (None: it is done)."""

    resource: Resource
    job: Job | None


@dataclass(frozen=True)
class ResourceManager:
    """Creates, changes and deletes resources of every kind. `kinds` by name."""

    kinds: Mapping[str, Kind]
    engine: Engine
    states: StateKeeper
    box: SecretBox

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
        creation = Creation(
            tx=tx,
            manager=self,
            actor_id=actor_id,
            id=resource_id or new_id(),
            organization_id=organization_id,
            project_id=project_id,
            name=name,
            labels=labels,
        )
        resource = await self._admit_named(creation, kind, request)
        if kind.on_create is None:
            await self.states.observe(tx, resource, {}, reason="created")
            await self._claim_quota(creation)
            return Outcome(resource, None)
        touching = [resource.id, *creation.touching]
        job = await self._start(tx, kind.on_create, resource, touching, actor_id, f"create {kind.name}")
        await self._claim_quota(creation)
        return Outcome(await store.load(tx, resource.id), job)

    async def create_child(self, parent: Creation, kind: Kind, request: BaseModel, *, name: str) -> Resource:
        """A resource that is made with its parent, by the parent's own job."""
        creation = Creation(
            tx=parent.tx,
            manager=self,
            actor_id=parent.actor_id,
            id=new_id(),
            organization_id=parent.organization_id,
            project_id=parent.project_id,
            name=name,
            labels={},
            cluster_id=parent.cluster_id,
            host_id=parent.host_id,
        )
        child = await self._admit(creation, kind, request, settled=False)
        parent.touching += [child.id, *creation.touching]
        parent.quota.update(creation.quota)
        return child

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
        for child in sorted(owned, key=lambda each: each.id):
            await self.lock(tx, child.id)
            await store.unlink(tx, resource.id, child.id)
        for leaving in sorted((resource, *owned), key=lambda each: each.id):  # rows are locked in one order everywhere
            await self._want_absent(tx, leaving, actor_id)
        if kind.on_delete is None:
            await self.states.bury(tx, [await self.lock(tx, resource.id)], job_id=None, changed_by=actor_id)
            return Outcome(await store.load(tx, resource.id), None)
        touching = [resource.id, *(child.id for child in owned)]
        job = await self._start(tx, kind.on_delete, resource, touching, actor_id, f"delete {kind.name}")
        return Outcome(await store.load(tx, resource.id), job)

    async def correct(self, tx: Tx, kind: Kind, resource: Resource) -> Job | None:
        """Start the job that brings the engine back to what is wanted; None if the kind has no such road."""
        workflow = kind.on_delete if resource.wanted == "absent" else kind.on_update or kind.on_create
        if workflow is None:
            return None
        return await self._start(tx, workflow, resource, [resource.id], None, CORRECTION)

    async def keep_secret(self, tx: Tx, resource_id: UUID, organization_id: UUID | None, plain: bytes) -> UUID:
        """Store a secret of a resource, sealed; its id is what may travel."""
        secret_id = new_id()
        await tx.execute(
            "INSERT INTO secret (id, resource_id, organization_id, envelope) VALUES ($1, $2, $3, $4)",
            secret_id,
            resource_id,
            organization_id,
            self.box.seal(plain, secret_id.bytes),
        )
        return secret_id

    async def lock(self, tx: Tx, resource_id: UUID) -> Resource:
        """The resource, held until the transaction ends."""
        row = await tx.one(f"SELECT {COLUMNS} FROM resource WHERE id = $1 FOR UPDATE", resource_id)  # noqa: S608
        return Resource.from_row(row)

    async def _admit_named(self, creation: Creation, kind: Kind, request: BaseModel) -> Resource:
        try:
            return await self._admit(creation, kind, request, settled=kind.on_create is None)
        except NameTakenError as error:
            # Parts are named after the whole and made first: speak of the name that the user chose.
            if await store.find(creation.tx, kind, creation.project_id, creation.name) is None:
                raise
            raise store.name_taken(kind, creation.name) from error

    async def _admit(self, creation: Creation, kind: Kind, request: BaseModel, *, settled: bool) -> Resource:
        spec = await kind.admit(creation, request) if kind.admit else request
        status = "active" if settled else "creating"
        resource = await store.insert(
            creation.tx, creation, kind, spec.model_dump(mode="json"), status=status, reason=f"create {kind.name}"
        )
        creation.quota[creation.id] = kind.quota(spec)
        return resource

    async def _claim_quota(self, creation: Creation) -> None:
        if creation.project_id is not None:
            await quota.claim(creation.tx, creation.project_id, creation.quota)

    async def _start(
        self, tx: Tx, workflow: Workflow, resource: Resource, touching: list[UUID], actor_id: UUID | None, reason: str
    ) -> Job:
        return await self.engine.start(
            tx,
            workflow,
            resource_id=resource.id,
            resource_kind=resource.kind,
            organization_id=resource.organization_id,
            project_id=resource.project_id,
            touching=touching,
            requested_by=actor_id,
            reason=reason,
        )

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
        job = await self._start(tx, kind.on_update, resource, [resource_id], actor_id, reason)
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
            raise store.name_taken(kind, name or resource.name) from error
        if labels is not None:
            await store.write_labels(tx, kind, resource.id, resource.organization_id, labels)

    async def _want_absent(self, tx: Tx, resource: Resource, actor_id: UUID | None) -> None:
        try:
            async with tx.savepoint():
                await tx.execute(
                    """UPDATE resource SET wanted = 'absent', linkable = false, status = 'deleting', changed_by = $2,
                              generation = generation + 1, reason = 'delete' WHERE id = $1""",
                    resource.id,
                    actor_id,
                )
        except ForeignKeyViolationError as error:
            await self._refuse_in_use(tx, resource, error)

    async def _refuse_in_use(self, tx: Tx, resource: Resource, error: Exception) -> None:
        users = await store.users_of(tx, resource.id)
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
        if running is not None and running.reason == CORRECTION:
            await self.engine.supersede(tx, running.id, reason="a newer wish")

    async def _lock_wanted(self, tx: Tx, resource_id: UUID) -> Resource:
        """The resource, held; after its job, as everywhere. Raises BeingDeletedError, ResourceNotFoundError."""
        resource = await self.lock(tx, resource_id)
        if resource.deleted_at is not None:
            raise ResourceNotFoundError
        if resource.wanted == "absent":
            raise BeingDeletedError
        return resource
