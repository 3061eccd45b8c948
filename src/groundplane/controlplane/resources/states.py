"""How jobs change resources: observed state, statuses, and the end of what was held once absence is confirmed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from groundplane.contracts.faults import Fault
from groundplane.contracts.reports import State
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.metering.spans import set_meters
from groundplane.controlplane.resources import quota, store
from groundplane.controlplane.resources.kind import Kind
from groundplane.controlplane.resources.resource import COLUMNS, Resource
from groundplane.kernel.database import Tx


@dataclass(frozen=True)
class StateKeeper:
    """Implements the Protocol by which jobs change resources."""

    kinds: Mapping[str, Kind]

    async def raise_fences(self, tx: Tx, resource_ids: Sequence[UUID]) -> Mapping[UUID, int]:
        """One more on each fence, rows locked in id order; the new ones."""
        rows = await tx.fetch(
            """WITH locked AS (SELECT id FROM resource WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE)
               UPDATE resource SET fence = fence + 1 FROM locked WHERE resource.id = locked.id
               RETURNING resource.id, resource.fence""",
            list(resource_ids),
        )
        return {row["id"]: row["fence"] for row in rows}

    async def apply(self, tx: Tx, job: Job, states: Sequence[State]) -> None:
        """What an agent found or made. What it found gone is given back when the job ends, all in one order."""
        for state in sorted(states, key=lambda state: state.id):
            resource = await self._lock(tx, state.id)
            if resource is None or resource.deleted_at is not None:
                continue
            if state.present and resource.wanted == "present":
                await self.observe(tx, resource, state.observed, reason=f"report of {job.workflow}", job_id=job.id)

    async def observe(
        self, tx: Tx, resource: Resource, observed: Mapping[str, Any], *, reason: str, job_id: UUID | None = None
    ) -> None:
        """Write what an engine says; nothing when it says nothing new."""
        if observed != resource.observed:
            await tx.execute(
                "UPDATE resource SET observed = $2, reason = $3, job_id = $4 WHERE id = $1",
                resource.id,
                observed,
                reason,
                job_id,
            )
        await self._meter(tx, resource, observed)

    async def settle(self, tx: Tx, job: Job, touched: Sequence[UUID], fault: Fault | None) -> None:
        """The job ended. A fault leaves what is wanted as it is, in status error; a superseding job goes on from there."""
        if fault is not None and fault.code == "superseded":
            return
        gone = []
        # The whole comes before its parts, as when they were claimed: a host's share before a pool's.
        for resource_id in sorted(touched, key=lambda each: (each != job.resource_id, each)):
            resource = await self._lock(tx, resource_id)
            if resource is None or resource.deleted_at is not None:
                continue
            if fault is not None:
                await self._mark_failed(tx, resource, job, fault)
            elif resource.wanted == "absent":
                gone.append(resource)
            else:
                await self._mark_converged(tx, resource, job)
        await self.bury(tx, gone, job_id=job.id)

    async def bury(self, tx: Tx, resources: Sequence[Resource], *, job_id: UUID | None, changed_by: UUID | None = None) -> None:
        """The resources are gone for certain: give back every claim, quota last as everywhere, and keep the rows as deleted."""
        for resource in resources:
            await self.kinds[resource.kind].release(tx, resource)
            await self._keep_as_deleted(tx, resource, job_id, changed_by)
        for resource in resources:
            await quota.release(tx, resource.id)

    async def _keep_as_deleted(self, tx: Tx, resource: Resource, job_id: UUID | None, changed_by: UUID | None) -> None:
        await store.unlink(tx, resource.id)
        await tx.execute("DELETE FROM label WHERE resource_id = $1", resource.id)
        await tx.execute("DELETE FROM secret WHERE resource_id = $1", resource.id)
        await set_meters(tx, resource.id, organization_id=resource.organization_id, project_id=resource.project_id, amounts={})
        await tx.execute(
            """UPDATE resource SET status = 'deleted', wanted = 'absent', linkable = false, observed = '{}',
                      observed_generation = generation, deleted_at = clock_timestamp(), reason = 'absence confirmed',
                      job_id = $2, changed_by = $3
               WHERE id = $1""",
            resource.id,
            job_id,
            changed_by,
        )

    async def _mark_converged(self, tx: Tx, resource: Resource, job: Job) -> None:
        await tx.execute(
            """UPDATE resource SET status = 'active', observed_generation = generation, converged_spec = spec,
                      reason = $2, job_id = $3, changed_by = $4
               WHERE id = $1""",
            resource.id,
            f"{job.workflow} succeeded",
            job.id,
            job.requested_by,
        )

    async def _mark_failed(self, tx: Tx, resource: Resource, job: Job, fault: Fault) -> None:
        await tx.execute(
            "UPDATE resource SET status = 'error', reason = $2, job_id = $3 WHERE id = $1",
            resource.id,
            f"{job.workflow} failed: {fault.code}",
            job.id,
        )

    async def _meter(self, tx: Tx, resource: Resource, observed: Mapping[str, Any]) -> None:
        kind = self.kinds[resource.kind]
        amounts = kind.meters(kind.spec.model_validate(resource.spec), observed)
        await set_meters(
            tx, resource.id, organization_id=resource.organization_id, project_id=resource.project_id, amounts=amounts
        )

    async def _lock(self, tx: Tx, resource_id: UUID) -> Resource | None:
        """Held against changes, but not against links to it."""
        row = await tx.row(f"SELECT {COLUMNS} FROM resource WHERE id = $1 FOR NO KEY UPDATE", resource_id)  # noqa: S608
        return Resource.from_row(row) if row else None
