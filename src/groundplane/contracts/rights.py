"""What an agent does on the bus, in one table: from it follow what its credential allows and what its cluster's account sees.

Each cluster's agents have a NATS account of their own, without JetStream. The control plane's account exports what agents
need, and a cluster's account imports of that what bears its own id. So whatever an agent names as the address of an answer
means a place within its own account: JetStream sends answers, which an agent can compose, wherever they are asked for.
"""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from groundplane.contracts.tasks import (
    LEASES_BUCKET,
    TASKS_STREAM,
    look_subject,
    read_subject,
    report_subject,
    stop_subject,
    task_consumer,
)

Answers = Literal["one", "many"]

LEASES_STREAM = f"KV_{LEASES_BUCKET}"
LEASES_PREFIX = f"$KV.{LEASES_BUCKET}."
_NEXT = f"$JS.API.CONSUMER.MSG.NEXT.{TASKS_STREAM}."
_ACKNOWLEDGE = f"$JS.ACK.{TASKS_STREAM}."
_GET = f"$JS.API.DIRECT.GET.{LEASES_STREAM}.{LEASES_PREFIX}"


@dataclass(frozen=True)
class Right:
    """One thing that agents of a cluster do. `subject` is the cluster's, `pattern` covers those of all clusters.

    `answers` is how many one message gets at most; it is None for what agents only listen to.
    """

    what: str
    subject: str
    pattern: str
    answers: Answers | None = None


def agent_rights(cluster_id: UUID) -> tuple[Right, ...]:
    """All that agents of a cluster do on the bus, but for listening to their own inboxes."""
    consumer = task_consumer(cluster_id)
    return (
        Right("pull tasks from the cluster's consumer", f"{_NEXT}{consumer}", f"{_NEXT}*", "many"),
        Right("acknowledge tasks, or hand them back", f"{_ACKNOWLEDGE}{consumer}.>", f"{_ACKNOWLEDGE}*.>", "one"),
        Right("report", report_subject(cluster_id), "gp.report.*", "one"),
        Right("take, renew and give back the cluster's leases", f"{LEASES_PREFIX}{cluster_id}.>", f"{LEASES_PREFIX}*.>", "one"),
        Right("see who holds the cluster's leases", f"{_GET}{cluster_id}.>", f"{_GET}*.>", "one"),
        Right("hear which tasks to stop", stop_subject(cluster_id), "gp.stop.*"),
        Right("hear that the inventory is asked for", look_subject(cluster_id), "gp.look.*"),
        Right("hear which console is to be read", read_subject(cluster_id), "gp.read.*"),
    )


def inbox_prefix(agent_id: UUID) -> str:
    """Where an agent gets its answers; nobody else of its cluster may listen there."""
    return f"_INBOX_{agent_id}"
