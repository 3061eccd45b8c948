"""What the tests of jobs begin with."""

from typing import Any

from tests.controlplane.cloud import Cloud

from groundplane.contracts.faults import Fault
from groundplane.contracts.tasks import Task
from groundplane.controlplane.jobs.job import Job
from groundplane.controlplane.network.network import NETWORK, NetworkSpec
from groundplane.controlplane.resources.manager import BulkOutcome

TRANSIENT = Fault(code="engine_busy", fault_class="transient", message="Busy.")
PERMANENT = Fault(code="engine_refused", fault_class="permanent", message="Refused.")


async def start_network(cloud: Cloud, name: str = "it") -> tuple[Job, Task]:
    """A network whose first task is out."""
    outcome = await cloud.make(NETWORK, NetworkSpec(), name=name)
    assert outcome.job is not None
    return outcome.job, cloud.tasks.pop()


async def start_networks(cloud: Cloud, count: int) -> tuple[BulkOutcome, Job]:
    """Networks under one parent, whose tasks are out."""
    made = await cloud.make_many(NETWORK, NetworkSpec(), count)
    assert made.parent is not None
    return made, made.parent


async def error_of(cloud: Cloud, job: Job) -> dict[str, Any]:
    """The error of a job that met one."""
    error = (await cloud.job(job.id)).error
    assert error is not None
    return error


async def children_of(cloud: Cloud, parent: Job) -> list[Job]:
    """The jobs of a parent, in order."""
    rows = await cloud.fetch("SELECT id FROM job WHERE parent_id = $1 ORDER BY id", parent.id)
    return [await cloud.job(row["id"]) for row in rows]


async def fail(cloud: Cloud, task: Task, fault: Fault = PERMANENT) -> None:
    """The agent reports that it could not do it."""
    await cloud.report(cloud.answer(task, fault=fault))
