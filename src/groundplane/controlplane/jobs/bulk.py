"""The parent of many jobs: it waits until all of them ended, and ends as they did."""

from datetime import timedelta

from groundplane.contracts.faults import Fault
from groundplane.controlplane.jobs import job as jobs
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.jobs.workflow import Done, Fail, Move, Wait, Workflow
from groundplane.kernel.database import Tx

LOOK_SECONDS = 2.0
"""How often a parent looks by itself; its last child wakes it at once."""


async def gather(tx: Tx, job: Job) -> Move:
    """Wait for the children. One that failed makes the parent fail, after all have ended."""
    if tx.pending("job", job.id) is not None:  # it is being made, and its children after it
        return Wait(LOOK_SECONDS)
    states = await jobs.children(tx, job.id)
    if states.get("PENDING"):  # held by a traffic rule: what has not begun cannot be late
        job.deadline = tx.now + GATHER.deadline
    total, ended = sum(states.values()), states.get("SUCCEEDED", 0) + states.get("FAILED", 0)
    if ended < total or not total:  # at its start they are still to come, in the same transaction
        return Wait(LOOK_SECONDS)
    failed = states.get("FAILED", 0)
    if not failed:
        return Done()
    if job.cancel_requested_at is not None:
        message = f"The jobs were cancelled; {total - failed} of {total} had succeeded before."
        return Fail(Fault(code="cancelled", fault_class="permanent", message=message))
    first = await jobs.first_failure(tx, job.id) or {}
    why = first.get("message", "It does not say why.")
    message = f"{failed} of {total} jobs failed. The first: {why} List the jobs of this parent."
    return Fail(Fault(code="children_failed", fault_class="permanent", message=message))


GATHER = Workflow("bulk.create", version=1, steps={"gather": gather}, deadline=timedelta(hours=2))
