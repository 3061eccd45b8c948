"""What the control plane asks: idempotent operations, fenced and with a last moment. And where each message travels."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from groundplane.contracts.specs import Spec, SpecKind
from groundplane.contracts.wire import Wire

Scope = str
"""Where a task runs, one executor at a time: a host's id, or `network` for what the whole cluster shares."""

NETWORK_SCOPE: Scope = "network"


class Ensure(Wire):
    """Make the engine hold what `spec` says, whatever it holds now."""

    verb: Literal["ensure"] = "ensure"
    fence: int
    spec: Spec


class Remove(Wire):
    """Make the engine hold nothing of this resource, and remember for a while that it must not come back.

    `pool` is the storage pool of an image or a volume.
    """

    verb: Literal["remove"] = "remove"
    fence: int
    kind: SpecKind
    id: UUID
    pool: str | None = None


Operation = Annotated[Ensure | Remove, Field(discriminator="verb")]


class Task(Wire):
    """Operations to carry out in order, for one job. Its message id is `id:fence`.

    `fence` is the fence of the job's own resource; each operation carries that of the resource it touches.
    `not_after` is the last moment at which an engine may be touched. `trace` is a W3C traceparent.
    """

    id: UUID
    fence: int
    cluster_id: UUID
    scope: Scope
    not_after: datetime
    trace: str = ""
    operations: tuple[Operation, ...]


class Stop(Wire):
    """A wish that a task be ended, since its job is being cancelled: its message of this fence, and earlier ones.

    Cooperative: what the task has not begun is left undone, and it ends with the permanent fault `stopped`, unless it is
    done by then. An agent that does not have the task does nothing.
    """

    task_id: UUID
    fence: int


class Look(Wire):
    """A request for the whole inventory of a cluster. `asked_at` is the control plane's own time, carried back."""

    asked_at: datetime


class ConsoleRead(Wire):
    """A request for a guest's console log: the agent posts the bytes to `answer_url`, which it dials itself."""

    host_id: UUID
    vm_id: UUID
    answer_url: str
    offset: int = 0
    limit: int = 1 << 20


def task_subject(cluster_id: UUID, scope: Scope) -> str:
    """The subject that a scope's tasks are published on (stream TASKS)."""
    return f"gp.task.{cluster_id}.{scope}"


def task_filter(cluster_id: UUID) -> str:
    """The subjects of all of a cluster's tasks: what its agents' consumer is made for."""
    return f"gp.task.{cluster_id}.>"


def report_subject(cluster_id: UUID) -> str:
    """The subject of everything that a cluster's agents say (stream REPORTS)."""
    return f"gp.report.{cluster_id}"


def reporting_cluster(subject: str) -> UUID | None:
    """The cluster whose agents report on this subject: an agent may report on no other. None if it is not one of those."""
    head, _, text = subject.rpartition(".")
    try:
        return UUID(text) if head == "gp.report" else None
    except ValueError:
        return None


def look_subject(cluster_id: UUID) -> str:
    """The plain subject on which inventories are asked for."""
    return f"gp.look.{cluster_id}"


def stop_subject(cluster_id: UUID) -> str:
    """The plain subject on which tasks are stopped."""
    return f"gp.stop.{cluster_id}"


def read_subject(cluster_id: UUID) -> str:
    """The plain subject on which bytes are asked for."""
    return f"gp.read.{cluster_id}"


def task_consumer(cluster_id: UUID) -> str:
    """The name of a cluster's ready-made consumer on the stream TASKS."""
    return f"agent-{cluster_id}"


def consumer_cluster(consumer: str) -> UUID | None:
    """The cluster whose consumer has this name; None if it is none of those."""
    head, _, text = consumer.partition("-")
    try:
        return UUID(text) if head == "agent" else None
    except ValueError:
        return None


TASKS_STREAM = "TASKS"
TASKS_SUBJECTS = "gp.task.>"
REPORTS_STREAM = "REPORTS"
REPORTS_SUBJECTS = "gp.report.>"
LEASES_BUCKET = "leases"
LEASE_SECONDS = 10.0
"""After which the bucket forgets a lease that was not renewed. Both planes must know it: agents may not ask the bucket."""
