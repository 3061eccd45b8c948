"""How jobs change resources: observed state, statuses, wishes taken back, and the end of what was held once absence is sure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from groundplane.contracts.faults import Fault
from groundplane.contracts.reports import State
from groundplane.controlplane.jobs.engine import NotCancellableError
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.jobs.workflow import Workflow
from groundplane.controlplane.metering.spans import Use, set_meters
from groundplane.controlplane.resources import quota, store
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.resource import COLUMNS, Resource
from groundplane.kernel.database import Tx


@dataclass(frozen=True)
class StateKeeper:
    """Implements the Protocol by which jobs change resources. `kinds` by name, those first on which others stand."""

    kinds: Mapping[str, Kind]

    async def raise_fences(self, tx: Tx, resource_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """One more on each fence, rows locked in id order; the new ones."""
        fences: dict[UUID, int] = {}
        for resource_id in resource_ids:
            if (fresh := tx.pending("resource", resource_id)) is not None:
                fresh["fence"] = fences[resource_id] = fresh["fence"] + 1
        known = [resource_id for resource_id in resource_ids if resource_id not in fences]
        if known:
            rows = await tx.fetch(
                """WITH locked AS (SELECT id FROM resource WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE)
                   UPDATE resource SET fence = fence + 1 FROM locked WHERE resource.id = locked.id
                   RETURNING resource.id, resource.fence""",
                known,
            )
            fences |= {row["id"]: row["fence"] for row in rows}
        return fences

    async def hold(self, tx: Tx, job_ids: Collection[UUID]) -> "HeldResources":
        """Lock what these jobs may change against changes, but not against links to it."""
        rows = await tx.fetch(
            f"""SELECT change_claim.job_id AS claimed_by, {COLUMNS}
                FROM change_claim JOIN resource ON resource.id = change_claim.resource_id
                WHERE change_claim.job_id = ANY($1::uuid[])
                ORDER BY resource.id FOR NO KEY UPDATE OF resource""",  # noqa: S608  # our own columns
            list(job_ids),
        )
        held = HeldResources(tx, self)
        for row in rows:
            resource = Resource.from_row(row)
            held.resources[resource.id] = resource
            held.claimed.setdefault(row["claimed_by"], []).append(resource.id)
        return held

    async def observe(self, tx: Tx, resource: Resource, observed: Mapping[str, Any], *, reason: str) -> None:
        """Write what an engine says, and meter it; nothing when it says nothing new. The row is locked, or new."""
        held = self.these(tx, [resource])
        held.observe(resource, observed, reason=reason)
        await held.close()

    def these(self, tx: Tx, resources: Sequence[Resource]) -> "HeldResources":
        """Resources that the caller has locked, or made."""
        return HeldResources(tx, self, {resource.id: resource for resource in resources})

    async def bury(self, tx: Tx, resources: Sequence[Resource], *, job_id: UUID | None, changed_by: UUID | None = None) -> None:
        """The resources, whose rows are locked, are gone for certain: give back every claim, keep the rows as deleted.

        Claims go in the order in which a create takes them, sort by sort and quota last, so that nobody waits in a circle.
        """
        if not resources:
            return
        for kind in reversed(list(self.kinds.values())):
            if leaving := sorted((each for each in resources if each.kind == kind.name), key=lambda each: each.id):
                await kind.release(tx, leaving)
        ids = [resource.id for resource in resources]
        await tx.execute("DELETE FROM link WHERE source_id = ANY($1::uuid[])", ids)
        await tx.execute("DELETE FROM label WHERE resource_id = ANY($1::uuid[])", ids)
        await tx.execute("DELETE FROM secret WHERE resource_id = ANY($1::uuid[])", ids)
        await set_meters(tx, [_use(resource, {}) for resource in resources])
        for resource in resources:
            gone = {"status": "deleted", "wanted": "absent", "linkable": False, "observed": {},
                    "observed_generation": resource.generation, "deleted_at": tx.now,
                    "reason": "absence confirmed", "job_id": job_id, "changed_by": changed_by}  # fmt: skip
            tx.update("resource", resource.id, gone)
        quota.release(tx, ids)

    def uses(self, resource: Resource) -> Use:
        """What a resource as it is now is to be metered for."""
        kind = self.kinds[resource.kind]
        return _use(resource, kind.meters(kind.spec.model_validate(resource.spec), resource.observed))


@dataclass
class HeldResources:
    """The locked resources of some jobs. What is told of them is written behind; `close` does what concerns several."""

    tx: Tx
    keeper: StateKeeper
    resources: dict[UUID, Resource] = field(default_factory=dict)
    claimed: dict[UUID, list[UUID]] = field(default_factory=dict)
    _metered: dict[UUID, bool] = field(default_factory=dict)
    """Of each resource whose use may have changed: may it have been metered before?"""
    _gone: dict[UUID | None, list[Resource]] = field(default_factory=dict)
    _ended: list[UUID] = field(default_factory=list)

    def apply(self, job: Job, states: Sequence[State]) -> None:
        """What an agent found or made. What it found gone is given back when the job ends."""
        claimed = self.claimed.get(job.id, ())
        for state in states:
            resource = self.resources.get(state.id)
            if resource is None or state.id not in claimed or resource.deleted_at is not None:
                continue
            if state.present and resource.wanted == "present":
                self.observe(resource, state.observed, reason=f"report of {job.workflow}", job_id=job.id)

    def observe(self, resource: Resource, observed: Mapping[str, Any], *, reason: str, job_id: UUID | None = None) -> None:
        """What an engine says of a resource."""
        self._metered.setdefault(resource.id, bool(resource.observed))
        if observed != resource.observed:
            self._write(resource, job_id, reason, observed=dict(observed))

    def settle(self, job: Job, fault: Fault | None) -> None:
        """The job ended. A fault leaves what is wanted as it is, in status error; a superseding job goes on from there."""
        self._ended.append(job.id)
        if fault is not None and fault.code == "superseded":
            return
        for resource_id in self.claimed.get(job.id, ()):
            resource = self.resources[resource_id]
            if resource.deleted_at is not None:
                continue
            if fault is not None:
                self._write(resource, job.id, f"{job.workflow} failed: {fault.code}", status="error")
            elif resource.wanted == "absent":
                self._gone.setdefault(job.id, []).append(resource)
            else:
                self._converged(resource, job)

    async def take_back(self, job: Job, requested_by: UUID | None) -> Workflow:
        """The wish of a create becomes absence, that of an update what was reached before. Raises NotCancellableError."""
        claimed = [self.resources[resource_id] for resource_id in self.claimed.get(job.id, ())]
        main = next((resource for resource in claimed if resource.id == job.resource_id), None)
        kind = self.keeper.kinds.get(job.resource_kind)
        if main is None or kind is None or main.deleted_at is not None:
            raise NotCancellableError
        if job.verb == "create" and kind.on_delete is not None:
            parts = [resource.id for resource in claimed if resource.id != main.id]
            await store.unlink(self.tx, main.id, parts)
            for resource in claimed:
                self._write(resource, job.id, "cancelled", changed_by=requested_by, **store.absent(resource))
            self.tx.refuse({"link_target": lambda _error: NotCancellableError(_USED)})
            return kind.on_delete
        if job.verb == "update" and kind.on_update is not None:
            spec = await self._reached_before(kind, main)
            self._write(
                main, job.id, "cancelled", changed_by=requested_by,
                spec=spec, generation=main.generation + 1, status="updating",
            )  # fmt: skip
            return kind.on_update
        raise NotCancellableError

    async def close(self) -> None:
        """Meter what is used now, and give back what was held until absence was confirmed."""
        buried = {resource.id for gone in self._gone.values() for resource in gone}
        uses = {each: self.keeper.uses(self.resources[each]) for each in self._metered if each not in buried}
        await set_meters(self.tx, [use for each, use in uses.items() if self._metered[each] or use.amounts])
        for job_id, gone in self._gone.items():
            await self.keeper.bury(self.tx, gone, job_id=job_id)
        if self._ended:
            await self.tx.execute("DELETE FROM change_claim WHERE job_id = ANY($1::uuid[])", self._ended)

    async def _reached_before(self, kind: Kind, resource: Resource) -> Mapping[str, Any]:
        reached = await self.tx.value("SELECT converged_spec FROM resource WHERE id = $1", resource.id)
        if reached is None:
            raise NotCancellableError
        return await kind.restore(self.tx, resource, reached)

    def _converged(self, resource: Resource, job: Job) -> None:
        self._write(
            resource, job.id, f"{job.workflow} succeeded", changed_by=job.requested_by,
            status="active", observed_generation=resource.generation, converged_spec=resource.spec,
        )  # fmt: skip

    def _write(
        self, resource: Resource, job_id: UUID | None, reason: str, *, changed_by: UUID | None = None, **changes: Any
    ) -> None:
        known = {name: value for name, value in changes.items() if name in Resource.__dataclass_fields__}
        self.resources[resource.id] = replace(self.resources[resource.id], **known)
        said = {"reason": reason, "job_id": job_id, "changed_by": changed_by}
        self.tx.update("resource", resource.id, {**changes, **said})


_USED = "Something else uses what this job makes by now, so it stays. Delete or detach that first, then delete the resource."


def _use(resource: Resource, amounts: Mapping[str, int]) -> Use:
    return Use(resource.id, resource.organization_id, resource.project_id, amounts)
